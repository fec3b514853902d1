// The command state check: what nothing can read

package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/clstr-go/clstr/cmd/clstr/internal/stored"
)

type badJSON struct {
	Place string `json:"place"`
	recordJSON
}

type stateCheckCmd struct{ shelf }

func (c *stateCheckCmd) command() *cobra.Command {
	return &cobra.Command{
		Use:   "check [KIND]",
		Short: "Read all that is stored, and name what cannot be read",
		Long: `Read everything that is stored of a kind, or of all kinds, and name what cannot
be read:

  a record whose head, the part of the library, is broken
  a state that is not what its record says: JSON, or protobuf
  a record in a shard where its key does not belong
  the same of reminders, events, mail of entities and commands apart

The command does not know the program's types. Only the program knows whether
it can read and migrate a state.

A node that cannot read a record answers messages to its key with bad_state; it
serves other keys. To mend a record, replace it (clstr state import) or delete
it (clstr state delete).

The exit code is 15 if something cannot be read.

JSON: bad, checked (how many records there are), bad_total. bad is a list of:
place, and what a record has in clstr state list; error says why.`,
		Example: `  clstr state check
  clstr state check account --json | jq -r '.bad[] | [.key, .error] | @tsv'`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: c.kindNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			kind := ""
			if len(args) == 1 {
				if kind = args[0]; kind == "" {
					return &failure{exit: exitUsage, code: "usage", msg: "KIND must not be empty: leave it out for all kinds"}
				}
			}
			return c.run(cmd.Context(), kind)
		},
	}
}

func (c *stateCheckCmd) run(ctx context.Context, kind string) error {
	s, end, err := c.openState(ctx)
	if err != nil {
		return err
	}
	defer end()
	rows := c.stream([]string{"PLACE  ", "REV      ", "SHARD", "KIND", "KEY", "WHY"}, "bad")
	checked, err := stored.Check(ctx, s, kind, c.timeout, func(b stored.Bad) {
		j := makeRecord(&b.Entry)
		j.Error = b.Why
		rows.add(badJSON{b.Entry.Place.String(), j}, []string{b.Entry.Place.String(), number(uint64(b.Entry.Rev)), number(b.Entry.Shard), b.Entry.Kind, b.Entry.Key, b.Why})
	})
	rows.end(member{"checked", checked}, member{"bad_total", rows.n})
	if err != nil {
		return c.stateFailed(err)
	}
	if rows.n > 0 {
		return &failure{exit: exitBadState, code: "bad_state", msg: fmt.Sprintf("%s cannot be read; %s checked", count(rows.n, "entry", "entries"), count(checked, "record", "records"))}
	}
	if !c.json {
		c.outTerm.prose(c.out, plain, "", fmt.Sprintf("%s: all can be read", count(checked, "record", "records")))
	}
	return nil
}
