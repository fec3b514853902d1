// The command state list: the keys of a kind, in pages

package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/clstr-go/clstr/cmd/clstr/internal/stored"
	"github.com/clstr-go/clstr/state"
)

type recordJSON struct {
	Kind      string    `json:"kind,omitempty"`
	KindBytes []byte    `json:"kind_base64,omitempty"`
	Key       string    `json:"key,omitempty"`
	KeyBytes  []byte    `json:"key_base64,omitempty"`
	Shard     uint32    `json:"shard"`
	Rev       state.Rev `json:"rev"`
	Stored    time.Time `json:"stored"`
	Number    uint64    `json:"number,omitempty"`
	Version   int       `json:"version"`
	Type      string    `json:"type,omitempty"`
	Bytes     int       `json:"bytes"`
	Deleted   bool      `json:"deleted,omitempty"`
	Error     string    `json:"error,omitempty"`
}

func makeRecord(e *state.Entry) recordJSON {
	j := recordJSON{Shard: e.Shard, Rev: e.Rev, Stored: e.Time.UTC()}
	j.Kind, j.KindBytes = stored.Text(e.Kind)
	j.Key, j.KeyBytes = stored.Text(e.Key)
	if r := e.Record; r != nil {
		j.Number, j.Version, j.Type, j.Bytes, j.Deleted = r.Number, r.Version, r.Type, len(r.State), r.Deleted
	}
	if e.Err != nil {
		j.Error = e.Err.Error()
	}
	return j
}

type stateListCmd struct {
	shelf
	begins string
	limit  int
	after  uint64
	n      int // records of the kind
}

func (c *stateListCmd) command() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list KIND",
		Short: "List the keys of a kind that have stored state",
		Long: `List the records of a kind, the oldest first. They are read and printed in
pages, so a list of any length needs little memory. A key that changes
meanwhile may be listed twice; the second record is the newer one.

A deleted key is listed for a day, while it remembers commands with an ID.

A kind that has no stored state and that no node of the cluster hosts is an
error. Without a membership nothing says which kinds there are.

JSON: kind, records, and next, the revision to go on --after, or 0 at the end.
A record has: kind, key (or kind_base64, key_base64), shard, rev, stored,
number, version, type, bytes, deleted, error (why it cannot be read).`,
		Example: `  clstr state list account
  clstr state list account --key-prefix acc-1 --limit -1
  clstr state list account --json | jq -r '.records[].key'`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: c.kindNames,
		RunE:              func(cmd *cobra.Command, args []string) error { return c.run(cmd.Context(), args[0]) },
	}
	cmd.Flags().StringVar(&c.begins, "key-prefix", "", "only keys that begin with this (--prefix names the cluster)")
	cmd.Flags().IntVar(&c.limit, "limit", 1000, "how many to list at most; -1 lists all")
	cmd.Flags().Uint64Var(&c.after, "after", 0, "only what was stored after this revision")
	return cmd
}

func (c *stateListCmd) run(ctx context.Context, kind string) error {
	if kind == "" || c.limit < -1 || c.limit == 0 {
		return &failure{exit: exitUsage, code: "usage", msg: "KIND must not be empty, and --limit is 1 or more, or -1"}
	}
	s, end, err := c.openState(ctx)
	if err != nil {
		return err
	}
	defer end()
	name, raw := stored.Text(kind)
	rows := c.stream([]string{"REV      ", "SHARD", "VERSION", "BYTES  ", "STORED  ", "KEY"}, "records", member{"kind", name}, member{"kind_base64", raw})
	n, more := 0, false
	last, err := stored.Each(ctx, s, state.Range{Kind: kind, After: state.Rev(c.after)}, c.timeout, func(e state.Entry) bool {
		c.n++
		if !strings.HasPrefix(e.Key, c.begins) {
			return true
		}
		if n == c.limit {
			more = true
			return false
		}
		n++
		version := "unreadable"
		if r := e.Record; r != nil && r.Deleted {
			version = "deleted"
		} else if r != nil {
			version = number(r.Version)
		}
		j := makeRecord(&e)
		rows.add(j, []string{number(uint64(e.Rev)), number(e.Shard), version, number(j.Bytes), took(max(0, c.now().Sub(e.Time))) + " ago", e.Key})
		return true
	})
	if !more {
		last = 0
	}
	rows.end(member{"next", last})
	if err != nil {
		return c.stateFailed(err)
	}
	if c.n == 0 && c.after == 0 {
		if err := c.unknown(ctx, kind); err != nil {
			return err
		}
	}
	if !c.json {
		if n == 0 {
			c.outTerm.prose(c.out, plain, "", fmt.Sprintf("no stored state of kind %s", printable(kind)))
		}
		if more {
			c.errTerm.prose(c.err, plain, "", fmt.Sprintf("%d are listed, and there is more: --after %d goes on, --limit -1 lists all", n, last))
		}
	}
	return nil
}

// unknown returns an error for a kind without stored state that no node hosts. It returns nil if
// no record says which kinds nodes host.
func (c *stateListCmd) unknown(ctx context.Context, kind string) error {
	seen, err := c.look(ctx)
	if err != nil {
		return nil // a fixed list, for example
	}
	kinds := kindsOf(seen)
	if len(kinds) == 0 || slices.Contains(kinds, kind) {
		return nil
	}
	return &failure{exit: exitUsage, code: "unknown_kind", msg: fmt.Sprintf("nothing is stored of the kind %s, and no node hosts it", printable(kind)), hint: hosted(kinds)}
}
