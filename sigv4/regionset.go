package sigv4

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/signature"
)

// RegionSet is the regions in which a signature of SigV4a is valid. [Regions] makes one.
type RegionSet interface {
	String() string // the names, separated by commas, as a request contains them

	// These are all that the rest of the package calls of SigV4a, so that programs that do not call Regions do not link it.
	check(service, region string, oneRegion bool) error
	keys(ctx context.Context, k *signature.RegionKeys, region string) (keys *signature.Keys, regions string)
}

// Regions returns a region set for [Signer] and [Scope], which then sign with SigV4a. A name is that of a region
// ("eu-west-1"), the beginning of several ("eu-*"), or "*" for all regions. Without names, the set is the Region of the
// Signer or Scope. A name that is not valid, such as a list that was not split, is the error of each signature.
func Regions(names ...string) RegionSet {
	s := regionSet{names: strings.Join(names, ",")}
	for _, name := range names {
		if !signature.IsRegion(name) {
			s.err = stschain.Permanent(fmt.Errorf("sigv4: %q in the region set is not a valid region name: it must consist of letters, digits, '-', '_' and '.', and may end in '*'; pass each name as an argument of its own, without blanks", name))
		}
	}
	return s
}

type regionSet struct {
	names string
	err   error // of a name
}

func (s regionSet) String() string { return s.names }

func (s regionSet) check(service, region string, oneRegion bool) error {
	switch {
	case s.err != nil:
		return s.err
	case s.names == "" && region == "":
		return stschain.Permanent(errors.New("sigv4: the region set is empty, and so is Region: name the regions that the signature is for, or \"*\" for all"))
	case oneRegion:
		return stschain.Permanent(fmt.Errorf("sigv4: service %s supports Signature Version 4 only, not SigV4a: set Region, and no RegionSet", service))
	}
	return nil
}

// keys returns the keys of a Signer for SigV4a, and the regions to sign for.
func (s regionSet) keys(ctx context.Context, k *signature.RegionKeys, region string) (*signature.Keys, string) {
	regions := cmp.Or(s.names, region)
	stschain.Note(ctx, func() string { return "signed with SigV4a for " + regions })
	return signature.KeysOf(k), regions
}
