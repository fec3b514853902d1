// Package tellers moves money between the accounts of a bank whose process is killed meanwhile.
package tellers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr"
	"github.com/clstr-go/clstr/cluster"
)

// Transfer is one movement of money. Without From, the money comes from outside.
type Transfer struct {
	ID, From, To string
	Amount       int64
}

type (
	// Serve opens the bank, says when it serves, and goes on until ctx ends.
	Serve func(ctx context.Context, dir, address string, serves func()) error
	// Story asks the bank, and prints what it hears.
	Story func(context.Context, *clstr.Service, io.Writer)
	// Move moves money, or says why it has not moved.
	Move func(context.Context, *clstr.Service, Transfer) error
)

const (
	accounts = 40
	opening  = 1_000 // in each account
	callers  = 8
	each     = 400 // transfers in each part of the play
)

// Main is that of the command. An account of the kind "account" answers look with what it holds.
func Main(serve Serve, story Story, move Move, look any) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	slog.SetLogLoggerLevel(slog.LevelError + 1) // that the bank dies is no news here
	if err := Run(ctx, os.Args[1:], os.Stdout, serve, story, move, look); err != nil {
		log.Fatalln("bank:", err)
	}
}

// Run serves if args say so. Otherwise it starts the bank in a process of its own, has the story
// told, and kills the process twice while money moves. It fails if money was lost or made.
func Run(ctx context.Context, args []string, w io.Writer, serve Serve, story Story, move Move, look any) error {
	if len(args) == 3 && args[0] == command {
		return serve(ctx, args[1], args[2], func() { fmt.Println(serving) })
	}
	dir, err := os.MkdirTemp("", "bank-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	p, err := newProcess(dir)
	if err != nil {
		return err
	}
	defer p.kill()
	if err := p.start(ctx); err != nil {
		return err
	}
	svc, err := clstr.Open(ctx, clstr.Options{
		Name: "bank", On: clstr.NATS("nats://"+p.address, nats.MaxReconnects(-1), nats.ReconnectWait(100*time.Millisecond)),
	})
	if err != nil {
		return err
	}
	story(ctx, svc, w)
	err = play(ctx, w, p, svc, move, look)
	return errors.Join(err, svc.Close(context.WithoutCancel(ctx)))
}

func name(i int) string { return fmt.Sprintf("account-%02d", i%accounts) }

// play has three parts: one in peace, and two that begin with a kill.
func play(ctx context.Context, w io.Writer, p *process, svc *clstr.Service, move Move, look any) error {
	for i := range accounts {
		if err := move(ctx, svc, Transfer{ID: fmt.Sprint("open-", i), To: name(i), Amount: opening}); err != nil {
			return err
		}
	}
	fmt.Fprintf(w, "\n%-28s %9s %9s %9s\n", fmt.Sprintf("%d accounts with %d each", accounts, opening), "transfers", "refused", "slowest")
	for part, what := range []string{"in peace", "kill -9, start again", "kill -9, start again"} {
		if err := round(ctx, w, what, part, p, svc, move); err != nil {
			return err
		}
	}
	var sum int64
	for i := range accounts {
		balance, err := clstr.Ask[struct{ Amount int64 }](ctx, svc.Kind("account").Key(name(i)), look)
		if err != nil {
			return err
		}
		sum += balance.Amount
	}
	if sum != accounts*opening {
		return fmt.Errorf("the accounts hold %d, not %d", sum, accounts*opening)
	}
	fmt.Fprintf(w, "\nThe accounts hold %d, as before. No transfer was lost, and none was made twice.\n", sum)
	return nil
}

// round moves money from many callers, and kills the bank in the middle, but not in the first part.
func round(ctx context.Context, w io.Writer, what string, part int, p *process, svc *clstr.Service, move Move) (err error) {
	var (
		wg                      sync.WaitGroup
		begun, refused, slowest atomic.Int64
		failed                  atomic.Pointer[error]
		middle                  = make(chan struct{})
	)
	for range callers {
		wg.Go(func() {
			for ctx.Err() == nil {
				n := begun.Add(1)
				if n > each {
					return
				}
				if n == each/2 {
					close(middle)
				}
				i, start := part*each+int(n), time.Now()
				t := Transfer{fmt.Sprint("transfer-", i), name(i), name(i*7 + 1), int64(i * 31 % 400)}
				err := move(ctx, svc, t)
				for cluster.OutcomeOf(err) == cluster.MaybeRan && ctx.Err() == nil {
					err = move(ctx, svc, t) // with the same IDs: what was done is not done again
				}
				switch took := int64(time.Since(start)); {
				case err != nil && cluster.OutcomeOf(err) == cluster.RanAndFailed:
					refused.Add(1) // not enough money, or none: nothing has moved
				case err != nil:
					err = fmt.Errorf("transfer %d: %w", i, err)
					failed.CompareAndSwap(nil, &err)
				case took > slowest.Load():
					slowest.Store(took)
				}
			}
		})
	}
	if part > 0 {
		select {
		case <-middle:
		case <-ctx.Done():
		}
		p.kill()
		err = p.start(ctx)
	}
	wg.Wait()
	if f := failed.Load(); f != nil {
		err = errors.Join(err, *f)
	}
	fmt.Fprintf(w, "%-28s %9d %9d %7.2f s\n", what, each-refused.Load(), refused.Load(), time.Duration(slowest.Load()).Seconds())
	return errors.Join(err, ctx.Err())
}
