// The commands state import and state delete

package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/clstr-go/clstr/cmd/clstr/internal/stored"
	"github.com/clstr-go/clstr/state"
)

type writtenJSON struct {
	Kind     string    `json:"kind,omitempty"`
	KindRaw  []byte    `json:"kind_base64,omitempty"`
	Key      string    `json:"key,omitempty"`
	KeyRaw   []byte    `json:"key_base64,omitempty"`
	Shard    uint32    `json:"shard"`
	Rev      state.Rev `json:"rev"`
	Number   uint64    `json:"number"`
	Replaced state.Rev `json:"replaced_rev,omitempty"`
	Deleted  bool      `json:"deleted,omitempty"`
}

// stateWrite is a command that changes the record of a key.
type stateWrite struct {
	stateKey
	yes, depose bool
}

func (c *stateWrite) flags(cmd *cobra.Command, run func(ctx context.Context, rest []string) error) *cobra.Command {
	cmd.Flags().BoolVar(&c.yes, "yes", false, "do not ask")
	cmd.Flags().BoolVar(&c.depose, "depose", false, "do not ask, even if a node with a fixed list may lose the shard")
	return c.stateKey.flags(cmd, run)
}

const writeHelp = `
The command asks first. --yes does not ask, and neither does --depose, which a
script needs where the last node that has opened the shard had a fixed list of
shards: clstr state --help says what becomes of nodes that run. If the record
changes while the command asks, nothing is stored.

The NATS user must be one that nodes use: clstr help connection.
`

type stateImportCmd struct {
	stateWrite
	file  string
	force bool
}

func (c *stateImportCmd) command() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "import KIND KEY FILE",
		Short: "Store the state of a key from an exported document",
		Long: `Store the state of a key from a document of clstr state export, or from one that
was mended or written by hand. FILE may be - for standard input. A document
by hand has at least clstr_state (1), kind, key, record with t (json or
protobuf) and v (version), and state or state_base64.

The document's state, version, type, TTL and commands with an ID replace what is
stored. What belongs to the store stays: the number of changes goes on, and mail
that is done stays done.

A document of another kind, key or cluster, or with another version or type than
the stored record, is refused without --force. Of another key's document the
commands with an ID are left out.
` + writeHelp + `
JSON: kind, key (or kind_base64, key_base64), shard, rev, number, replaced_rev.`,
		Example: `  clstr state import account acc-1 acc-1.json
  clstr state export account a | clstr state import account b - --force --yes`,
		Args: cobra.ExactArgs(3),
	}
	cmd.Flags().BoolVar(&c.force, "force", false, "even a document of another kind, key, cluster, version or type")
	c.flags(cmd, c.run)
	cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, start string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 2 {
			return nil, cobra.ShellCompDirectiveDefault // a file
		}
		return c.kindNames(cmd, args, start)
	}
	return cmd
}

type stateDeleteCmd struct{ stateWrite }

func (c *stateDeleteCmd) command() *cobra.Command {
	return c.flags(&cobra.Command{
		Use:   "delete KIND KEY",
		Short: "Delete the stored state of a key",
		Long: `Delete the stored state of a key, and its reminders. The next message to the key
makes a new entity. For a day the key remembers which commands with an ID it has
carried out, as it does when the entity itself deletes its state.

It also removes a record that cannot be read. What that knew of commands and
mail is lost.
` + writeHelp + `
The exit code is 14 if nothing is stored.

JSON: kind, key (or kind_base64, key_base64), shard, rev, number, replaced_rev,
deleted (true).`,
		Example: `  clstr state export account acc-1 > acc-1.json
  clstr state delete account acc-1`,
		Args: cobra.ExactArgs(2),
	}, c.run)
}

func (c *stateDeleteCmd) run(ctx context.Context, _ []string) error {
	s, end, err := c.openState(ctx)
	if err != nil {
		return err
	}
	defer end()
	e, err := c.find(ctx, s)
	switch {
	case err != nil:
		return err
	case e == nil:
		return c.missing()
	case e.Record != nil && e.Record.Deleted:
		f := c.missing()
		f.msg = c.named() + " is deleted already"
		return f
	}
	return c.write(ctx, s, e, nil, fmt.Sprintf("This deletes what is stored of %s.", c.named()))
}

func (c *stateImportCmd) run(ctx context.Context, rest []string) error {
	c.file = rest[0]
	d, err := c.read()
	if err != nil {
		return &failure{exit: exitUsage, code: "usage", msg: fmt.Sprintf("%s: %v", printable(c.file), err)}
	}
	s, end, err := c.openState(ctx)
	if err != nil {
		return err
	}
	defer end()
	e, err := c.find(ctx, s)
	if err != nil {
		return err
	}
	if err := c.admit(ctx, s, &d, e); err != nil {
		return err
	}
	what := ""
	switch {
	case e == nil:
	case e.Record == nil:
		what = fmt.Sprintf("This replaces the record of %s, which cannot be read.", c.named())
	case !e.Record.Deleted:
		what = fmt.Sprintf("This replaces what is stored of %s: change %d, version %d, %s.", c.named(), e.Record.Number, e.Record.Version, count(len(e.Record.State), "byte", "bytes"))
	}
	return c.write(ctx, s, e, d.Record, what)
}

func (c *stateImportCmd) read() (stored.Document, error) {
	if c.file == "-" {
		c.asks = false // its input is the document
		return stored.Decode(c.in)
	}
	f, err := os.Open(c.file)
	if err != nil {
		return stored.Document{}, err
	}
	defer func() { _ = f.Close() }() // it was only read
	return stored.Decode(f)
}

// admit refuses a foreign document.
func (c *stateImportCmd) admit(ctx context.Context, s stored.Store, d *stored.Document, e *state.Entry) error {
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	sign, _, err := s.Fence(ctx, 0)
	if err != nil {
		return c.stateFailed(err)
	}
	var foreign []string
	if kind, key := d.Names(); kind != c.kind || key != c.key {
		foreign = append(foreign, fmt.Sprintf("it is of %s %s", printable(kind), printable(key)))
		d.Record.Commands = nil // another key's
	}
	if d.Cluster != "" && sign.Cluster != "" && d.Cluster != sign.Cluster {
		foreign = append(foreign, fmt.Sprintf("it is of cluster %s, and this is %s", printable(d.Cluster), printable(sign.Cluster)))
	}
	if e != nil && e.Record != nil && !e.Record.Deleted {
		if is, was := d.Record.Version, e.Record.Version; is != was {
			foreign = append(foreign, fmt.Sprintf("it has version %d, and version %d is stored", is, was))
		}
		if is, was := d.Record.Type, e.Record.Type; is != was {
			foreign = append(foreign, fmt.Sprintf("it is %s, and %s is stored", printable(is), printable(was)))
		}
	}
	if len(foreign) == 0 || c.force {
		return nil
	}
	return &failure{exit: exitRefused, code: "foreign", msg: fmt.Sprintf("the document does not belong to %s: %s", c.named(), strings.Join(foreign, "; ")),
		hint: "--force stores it anyway"}
}

// write asks, and replaces the record e by r, or deletes it. what says what is lost.
func (c *stateWrite) write(ctx context.Context, s stored.Store, e *state.Entry, r *state.Record, what string) error {
	looking, cancel := c.bounded(ctx)
	defer cancel()
	p, err := stored.Where(looking, s, c.key, e)
	if err != nil {
		return c.stateFailed(err)
	}
	seen := state.Rev(0)
	if e != nil {
		seen = e.Rev
	}
	w := stored.Write{Shard: p.Shard, Kind: c.kind, Key: c.key, Owner: p.Owner, Record: r, Seen: &seen}
	flag := "--yes"
	switch {
	case p.Fixed:
		flag = "--depose"
		what += fmt.Sprintf(" A node with a fixed list of shards has opened shard %d: if that node runs, it stops serving the shard until it is restarted.", p.Shard)
	case p.Opened:
		what += fmt.Sprintf(" It takes the state of shard %d from its owner%s: calls to the shard's keys may fail as \"deposed\", and the owner opens it again about a second later.", p.Shard, c.ownerOf(looking, p.Shard))
	}
	if sure := c.depose || c.yes && !p.Fixed; sure {
		w.Seen = nil // what has changed meanwhile would not have been asked for either
	} else if what != "" {
		if err := c.confirm(strings.TrimSpace(what), flag); err != nil {
			return err
		}
	}
	writing, cancel := c.bounded(ctx)
	defer cancel()
	n, rev, err := stored.Put(writing, s, w)
	if err != nil {
		return c.stateFailed(err)
	}
	out := writtenJSON{Shard: p.Shard, Rev: rev, Number: n, Replaced: seen, Deleted: r == nil}
	out.Kind, out.KindRaw = stored.Text(c.kind)
	out.Key, out.KeyRaw = stored.Text(c.key)
	return c.emit(out, func(w io.Writer) {
		done := "stored"
		if r == nil {
			done = "deleted"
		}
		c.outTerm.prose(w, green, done+" ", fmt.Sprintf("%s: change %d, revision %d", c.named(), n, rev))
	})
}
