package s3express

import (
	"errors"
	"fmt"
	"strings"

	"github.com/stschain-go/stschain/internal/wire"
)

// Bucket is a directory bucket, or an access point to one, at one of its hosts.
type Bucket struct {
	Name            string // logs--usw2-az1--x-s3, or app--usw2-az1--xa-s3 for an access point
	Region          string // us-west-2
	FIPS, DualStack bool   // of its host
}

// Host returns the host to which requests for objects of the bucket are sent.
func (b Bucket) Host() string {
	zone, _ := zoneOf(b.Name)
	return b.Name + "." + b.suffix(zone)
}

// suffix is the host without the bucket's name.
func (b Bucket) suffix(zone string) string { return b.host("s3express", "-"+zone) }

// control is the host of the operations on buckets.
func (b Bucket) control() string { return b.host("s3express-control", "") }

func (b Bucket) host(service, zone string) string {
	if b.FIPS {
		service += "-fips"
	}
	service += zone
	if b.DualStack {
		service += ".dualstack"
	}
	return service + "." + b.Region + "." + wire.Domain(b.Region)
}

func (b Bucket) check() error {
	if _, err := zoneOf(b.Name); err != nil {
		return err
	}
	if !wire.IsLabel(b.Region) {
		return errors.New("Region is missing, or not a valid region name")
	}
	return nil
}

// zoneOf returns the zone in the name of a directory bucket or of an access point to one.
func zoneOf(name string) (zone string, err error) {
	base, ok := strings.CutSuffix(name, "--x-s3")
	if !ok {
		base, ok = strings.CutSuffix(name, "--xa-s3")
	}
	at := strings.LastIndex(base, "--")
	if ok && at > 0 && wire.IsLabel(name) && name == strings.ToLower(name) {
		zone = base[at+len("--"):]
	}
	if !wire.IsLabel(zone) {
		return "", errors.New("Bucket is not the name of a directory bucket: it must be lower-case letters, digits and hyphens, like logs--usw2-az1--x-s3")
	}
	return zone, nil
}

// variants are the kinds of hosts.
var variants = [...]Bucket{{}, {DualStack: true}, {FIPS: true}, {FIPS: true, DualStack: true}}

// parseHost returns the bucket of a host. For the hosts of operations on buckets, Name is "".
func parseHost(host string) (Bucket, error) {
	host = strings.ToLower(host)
	name, rest, _ := strings.Cut(host, ".")
	if zone, err := zoneOf(name); err == nil {
		for _, b := range variants {
			if b.Region = regionOf(rest, b.DualStack); b.Region != "" && rest == b.suffix(zone) {
				b.Name = name
				return b, nil
			}
		}
	}
	for _, b := range variants {
		if b.Region = regionOf(host, b.DualStack); b.Region != "" && host == b.control() {
			return b, nil
		}
	}
	return Bucket{}, fmt.Errorf("%q is not the host of a directory bucket, such as logs--usw2-az1--x-s3.s3express-usw2-az1.us-west-2.amazonaws.com; "+
		"use another Transport for other buckets", host[:min(len(host), 255)])
}

// regionOf returns the label of a host where its region is: after the first one, or after "dualstack".
func regionOf(host string, dualStack bool) string {
	labels := strings.SplitN(host, ".", 4)
	at := 1
	if dualStack {
		at = 2
	}
	if at < len(labels) && wire.IsLabel(labels[at]) {
		return labels[at]
	}
	return ""
}
