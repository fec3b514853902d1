// What the name of a node may be

package membership

import "github.com/clstr-go/clstr/outcome"

// MaxName is how long the name of a node may be.
const MaxName = 255

// CheckName refuses what cannot be the name of a node. It is letters, digits, - and _:
// name.incarnation is how records and commands write one life of a node, and a name is
// a token of subjects and keys. The error is outcome.ErrBadOption.
func CheckName(name string) error {
	if !plain(name) || len(name) > MaxName {
		return outcome.Errorf(outcome.ErrBadOption, "the node name %.80q: 1 to %d letters, digits, - and _", name, MaxName)
	}
	return nil
}
