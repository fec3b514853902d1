// Whether a record is what it says

package stored

import (
	"bytes"
	"encoding/json"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/clstr-go/clstr/internal/command"
	"github.com/clstr-go/clstr/state"
)

// Body returns why no entity could begin with a record: its state is not of the type that the record
// names, or no key has stored such a thing. Whether the program can read it, and migrate it, only the
// program knows.
func Body(r *state.Record) error {
	if err := command.Check(r.Commands); err != nil {
		return err
	}
	switch {
	case r.Version < 0:
		return fmt.Errorf("version %d: 0 or more", r.Version)
	case r.Deleted && len(r.State) == 0:
		return nil
	case r.Type == "json":
		if err := json.Compact(new(bytes.Buffer), r.State); err != nil {
			return fmt.Errorf("its type says json, but it is not JSON: %w", err)
		}
		return nil
	case r.Type == "protobuf":
		for b := r.State; len(b) > 0; {
			_, _, n := protowire.ConsumeField(b)
			if n < 0 {
				return fmt.Errorf("its type says protobuf, but it is not protobuf: %w", protowire.ParseError(n))
			}
			b = b[n:]
		}
		return nil
	}
	return fmt.Errorf("type %.100q: json and protobuf are known", r.Type)
}
