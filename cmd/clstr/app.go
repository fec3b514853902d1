// The command and the flags that all of it has

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/clstr-go/clstr/cmd/clstr/internal/natsctx"
	"github.com/clstr-go/clstr/internal/natsdial"
)

// app is one run of the command: a way to a cluster, and the places where it prints.
type app struct {
	reach
	output
	in    io.Reader
	asks  bool // a person can answer questions
	now   func() time.Time
	began bool // a command has begun; an error before that is a usage error
}

// subcommand is one of the command's subcommands, with its flags.
type subcommand interface{ command() *cobra.Command }

func newApp(in io.Reader, out, err io.Writer, getenv func(string) string) *app {
	a := &app{in: in, now: time.Now, reach: reach{getenv: getenv}}
	a.output = output{out: out, err: err, outTerm: terminalOf(out, getenv), errTerm: terminalOf(err, getenv)}
	a.asks = isTerminal(in)
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
	return a.fail(a.failed(err))
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "clstr",
		Short: "Look at clstr clusters, and talk to them",
		Long: `clstr looks at clusters that live on a NATS server: which nodes are there, which
of them owns a shard and why, and what would move. It drains nodes, sends
requests to keys, and shows and mends what entities have stored.

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
	f.StringVar(&a.prefix, "prefix", natsdial.DefaultPrefix, "names the cluster: the first tokens of its subjects")
	f.DurationVar(&a.timeout, "timeout", 5*time.Second, "how long to wait for answers")
	f.BoolVar(&a.json, "json", false, "print JSON; its fields keep their names (clstr help COMMAND lists them)")
	_ = root.RegisterFlagCompletionFunc("context", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return natsctx.Names(a.getenv), cobra.ShellCompDirectiveNoFileComp
	}) // the error is for flags that do not exist
	for _, c := range []subcommand{
		&nodesCmd{app: a}, &shardsCmd{app: a}, &whereCmd{app: a}, &planCmd{app: a}, &drainCmd{app: a},
		&requestCmd{call{app: a}}, &notifyCmd{call: call{app: a}}, &stateCmd{app: a}, &demoCmd{app: a}, &versionCmd{app: a},
	} {
		root.AddCommand(c.command())
	}
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

// confirm asks whether to go on. An input that is no terminal cannot be asked: flag does it then.
func (a *app) confirm(question, flag string) error {
	if !a.asks || a.json {
		return &failure{exit: exitRefused, code: "refused", msg: question, hint: "nothing was done: " + flag + " does it without asking"}
	}
	a.errTerm.prose(a.err, yellow, "", harmless(question))
	fmt.Fprint(a.err, `Type "yes" to go on: `)
	line, err := bufio.NewReader(a.in).ReadString('\n')
	if strings.TrimSpace(line) != "yes" {
		if err != nil {
			fmt.Fprintln(a.err)
		}
		return &failure{exit: exitRefused, code: "refused", msg: "nothing was done"}
	}
	return nil
}
