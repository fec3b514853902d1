// The commands state show and state export

package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/clstr-go/clstr/cmd/clstr/internal/stored"
	"github.com/clstr-go/clstr/state"
)

// documentHelp says what a document has.
const documentHelp = `
JSON: clstr_state (1, the format), kind, key, cluster (its identity, if it has
one), shard, rev (revision), stored (time), bytes (of the state), record, and
state, or state_base64 if the state is no JSON that would come back the same.
kind_base64 and key_base64 stand in for what no terminal shows. record is what
the library keeps beside the state, as it is stored: n (how many changes the
key has had), e (epoch), v (version of the state's type), t (json or
protobuf), deleted, ttl (nanoseconds), ids (commands with an ID that the key
has carried out), mailed, taken, spilled, failing. error says why a record
cannot be read.`

type stateShowCmd struct{ stateKey }

func (c *stateShowCmd) command() *cobra.Command {
	return c.flags(&cobra.Command{
		Use:   "show KIND KEY",
		Short: "Show the stored state of a key",
		Long: `Show what is stored of a key: the state, and what the library keeps beside it.
A large state is cut short; export prints all of it.

The exit code is 14 if nothing is stored, and 15 if it cannot be read.
` + documentHelp,
		Example: `  clstr state show account acc-1
  clstr state show account acc-1 --json | jq .state.Balance`,
		Args: cobra.ExactArgs(2),
	}, c.run)
}

type stateExportCmd struct{ stateKey }

func (c *stateExportCmd) command() *cobra.Command {
	return c.flags(&cobra.Command{
		Use:   "export KIND KEY",
		Short: "Print the stored state of a key as JSON, for import",
		Long: `Print what is stored of a key as one JSON document, which clstr state import
stores again: the same bytes, under the same key. Back up whole clusters with
nats stream backup; this is for single keys.

The exit code is 14 if nothing is stored, and 15 if it cannot be read.
` + documentHelp,
		Example: `  clstr state export account acc-1 > acc-1.json
  clstr state export account acc-1 | jq '.state.Balance = 100' > mended.json`,
		Args: cobra.ExactArgs(2),
	}, func(ctx context.Context, _ []string) error {
		c.json = true
		return (&stateShowCmd{c.stateKey}).run(ctx, nil)
	})
}

func (c *stateShowCmd) run(ctx context.Context, _ []string) error {
	s, end, err := c.openState(ctx)
	if err != nil {
		return err
	}
	defer end()
	e, err := c.find(ctx, s)
	if err != nil {
		return err
	}
	if e == nil {
		return c.missing()
	}
	d, err := c.document(ctx, s, e)
	if err != nil {
		return c.stateFailed(err)
	}
	if err := c.emit(d, func(w io.Writer) { c.print(w, e) }); err != nil {
		return err
	}
	bad := e.Err
	if bad == nil {
		bad = stored.Body(e.Record)
	}
	if bad != nil {
		return &failure{exit: exitBadState, code: "bad_state", msg: fmt.Sprintf("the record of %s cannot be read: %v", c.named(), bad),
			hint: fmt.Sprintf("nats stream get %s %d prints it as it is; clstr state import replaces it, and clstr state delete removes it", c.stateStream(), e.Rev)}
	}
	return nil
}

// shownState bounds how much of a state is shown.
const shownState = 16 << 10

func (c *stateShowCmd) print(w io.Writer, e *state.Entry) {
	field := func(label, format string, args ...any) {
		c.outTerm.prose(w, bold, fmt.Sprintf("%-8s", label), fmt.Sprintf(format, args...))
	}
	field("key", "%s", printable(e.Key))
	field("kind", "%s", printable(e.Kind))
	field("shard", "%d", e.Shard)
	field("stored", "%s ago, revision %d", took(c.now().Sub(e.Time)), e.Rev)
	r := e.Record
	if r == nil {
		return
	}
	field("change", "%d, in epoch %d", r.Number, r.Epoch)
	if r.Deleted {
		field("deleted", "what is left says which commands it has carried out")
	} else {
		field("state", "version %d, %s, %s", r.Version, printable(r.Type), count(len(r.State), "byte", "bytes"))
	}
	if r.TTL > 0 {
		field("ends", "in %s", took(e.Time.Add(r.TTL).Sub(c.now())))
	}
	if len(r.Commands) > 0 || r.Spilled.After(c.now()) {
		more := ""
		if r.Spilled.After(c.now()) {
			more = ", and older ones apart"
		}
		field("ids", "%s with an ID that it has carried out%s", count(len(r.Commands), "command", "commands"), more)
	}
	if f := r.Failing; f != nil {
		field("failing", "mail %d of place %v, %s: %s", f.Mail.Rev, f.Mail.Place, count(f.Attempts, "attempt", "attempts"), harmless(f.Error))
	}
	if len(r.State) > 0 {
		fmt.Fprintln(w)
		printState(w, r)
	}
}

// printState shows a state as text that drives no terminal.
func printState(w io.Writer, r *state.Record) {
	var text string
	var indented bytes.Buffer
	if r.Type == "json" && json.Indent(&indented, r.State, "", "  ") == nil {
		text = strings.ToValidUTF8(indented.String(), "\ufffd")
	} else {
		text = strings.TrimSuffix(hex.Dump(r.State[:min(len(r.State), shownState/4)]), "\n")
		if len(r.State) > shownState/4 {
			text += fmt.Sprintf("\n... and %d bytes more: clstr state export prints all", len(r.State)-shownState/4)
		}
	}
	if len(text) > shownState && indented.Len() > 0 {
		text = fmt.Sprintf("%s\n... and %d bytes more: clstr state export prints all", strings.ToValidUTF8(text[:shownState], ""), len(text)-shownState)
	}
	fmt.Fprintln(w, harmless(text))
}
