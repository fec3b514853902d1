// What the name of a node may be

package record

import "github.com/clstr-go/clstr/outcome"

// MaxName is the length that the name of a node may have, in bytes.
const MaxName = 255

// CheckName refuses a name that a node cannot have. A name has letters, digits, - and
// _, because records and commands write one life of a node as name.incarnation, and
// because a name is a token of subjects and keys. The error is outcome.ErrBadOption.
func CheckName(name string) error {
	if !plain(name) || len(name) > MaxName {
		return outcome.Errorf(outcome.ErrBadOption, "the node name %.80q: 1 to %d letters, digits, - and _", name, MaxName)
	}
	return nil
}
