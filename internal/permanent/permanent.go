// Package permanent makes errors that asking again does not mend: a setting is
// missing, or cannot work.
package permanent

import (
	"fmt"

	"github.com/stschain-go/stschain"
)

// Errorf returns an error of this text that is [stschain.ErrPermanent].
func Errorf(format string, args ...any) error { return text(fmt.Sprintf(format, args...)) }

type text string

func (t text) Error() string        { return string(t) }
func (t text) Is(target error) bool { return target == stschain.ErrPermanent }
