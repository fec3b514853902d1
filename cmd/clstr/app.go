// Flags of all commands; text or JSON

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/clstr-go/clstr/cmd/clstr/internal/natsctx"
	"github.com/clstr-go/clstr/membership/natsstore"
)

// app is one run of the command.
type app struct {
	in       io.Reader
	out, err io.Writer
	getenv   func(string) string

	nats    natsctx.Flags
	prefix  string
	timeout time.Duration
	json    bool
	outTerm terminal
	errTerm terminal
	began   bool // a command has: what fails before is a matter of usage

	// connect finds the cluster's records; tests prepare them.
	connect func(ctx context.Context) (*session, error)
	now     func() time.Time
}

func newApp(in io.Reader, out, err io.Writer, getenv func(string) string) *app {
	a := &app{in: in, out: out, err: err, getenv: getenv, now: time.Now}
	a.outTerm, a.errTerm = terminalOf(out, getenv), terminalOf(err, getenv)
	a.connect = a.control
	return a
}

// run returns the exit code.
func (a *app) run(ctx context.Context, args []string) int {
	root := a.root()
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	if !a.began {
		f := &failure{exit: exitUsage, code: "usage", msg: err.Error(), hint: "usage: " + cmd.UseLine()}
		if msg, like, ok := strings.Cut(f.msg, "\n\nDid you mean this?\n"); ok {
			f.msg, f.hint = msg, "did you mean "+strings.Join(strings.Fields(like), " or ")+"?"
		}
		err = f
	}
	return a.fail(err)
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "clstr",
		Short: "Look at clstr clusters, and talk to them",
		Long: `clstr looks at clusters that live on a NATS server: which nodes are there, which
of them owns a shard and why, and what would move. It drains nodes and sends
requests to keys.

It connects as the nats command does: --context NAME or the selected context,
NATS_URL, --server, --creds. More in: clstr help connection`,
		Example: `  clstr nodes
  clstr --context prod --prefix shop where user-123
  clstr plan --add node-d --json | jq .moves
  clstr demo --for 30s`,
		Version:           built().Version,
		SilenceErrors:     true,
		SilenceUsage:      true,
		PersistentPreRunE: a.begin,
	}
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	f := root.PersistentFlags()
	f.StringVar(&a.nats.Context, "context", "", "NATS context (default: $NATS_CONTEXT, or the selected one)")
	f.StringVar(&a.nats.Server, "server", "", "URLs of NATS servers (default: $NATS_URL, the context's, or nats://127.0.0.1:4222)")
	f.StringVar(&a.nats.Creds, "creds", "", "file with NATS credentials (default: $NATS_CREDS, or the context's)")
	f.StringVar(&a.nats.InboxPrefix, "inbox-prefix", "", "where this user may hear replies, such as _INBOX.NAME (default: the context's, or _INBOX)")
	f.StringVar(&a.prefix, "prefix", natsstore.DefaultPrefix, "names the cluster: the first tokens of its subjects")
	f.DurationVar(&a.timeout, "timeout", 5*time.Second, "how long to wait for answers")
	f.BoolVar(&a.json, "json", false, "print JSON; its fields keep their names (clstr help COMMAND lists them)")
	_ = root.RegisterFlagCompletionFunc("context", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return natsctx.Names(a.getenv), cobra.ShellCompDirectiveNoFileComp
	}) // fails for a flag that is not there
	root.AddCommand(a.nodes(), a.shards(), a.where(), a.plan(), a.drain(), a.request(), a.notify(), a.demo(), a.version())
	root.AddCommand(topics()...)
	finish(root)
	return root
}

func (a *app) begin(cmd *cobra.Command, _ []string) error {
	if a.timeout <= 0 {
		return fmt.Errorf("--timeout %v: must be positive", a.timeout)
	}
	a.began = true
	return nil
}

// bounded is the context of what must be answered within --timeout.
func (a *app) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, a.timeout)
}

// emit prints v as JSON, if that is asked for, or else as text does.
func (a *app) emit(v any, text func(w io.Writer)) error {
	if !a.json {
		text(a.out)
		return nil
	}
	enc := json.NewEncoder(a.out)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}
