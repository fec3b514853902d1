package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/membership/natsstore"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport/natstransport"
)

const (
	shards = 64
	bucket = "counters"
	// storeTimeout is how long the bucket is waited for where servers die: what a server had received
	// when it was killed is never answered. Where none dies, a busy machine may take as long as callers wait.
	storeTimeout = 2 * time.Second
)

// timing is the nodes', and bound the most that a dead node's shards may wait.
func timing(long bool) (t membership.Timing, bound time.Duration) {
	if long {
		return membership.DefaultTiming, 12300 * time.Millisecond
	}
	t = membership.FastTiming
	t.Settle, t.Residency = time.Second, time.Second
	return t, 7900 * time.Millisecond
}

type (
	increment struct{ Op string }
	value     struct{ N uint64 }
)

// counter is one key's actor: it keeps its value in a bucket, and its writes name
// the revision that it has read.
type counter struct {
	node *nodeProcess
	key  string
	n    uint64
	rev  uint64
}

// nodeProcess is what the entities of a node share.
type nodeProcess struct {
	kv   jetstream.KeyValue
	wait time.Duration // for the bucket, at most
	log  *os.File      // a line for each turn that has started, and for each end of the lease
}

func (n *nodeProcess) note(what, key, op string) {
	line, _ := json.Marshal(turn{what, key, op})
	_, _ = n.log.Write(append(line, '\n')) // one write: the file survives the process
}

// turn is a line of a node's log: an activation or a turn of a key, or an end of the node's lease.
type turn struct{ What, Key, Op string }

// What there is in such a line.
const (
	activated  = "activate"
	runs       = "run"
	leaseEnded = "lease ended"
)

func (c *counter) load(ctx *actor.Context) error {
	c.node.note(activated, c.key, "")
	soon, cancel := context.WithTimeout(ctx, c.node.wait)
	defer cancel()
	e, err := c.node.kv.Get(soon, c.key)
	switch {
	case errors.Is(err, jetstream.ErrKeyNotFound):
		return nil
	case err != nil:
		return err
	}
	c.rev = e.Revision()
	c.n, err = strconv.ParseUint(string(e.Value()), 10, 64)
	return err
}

func (c *counter) increment(ctx *actor.Context, m increment) (value, error) {
	c.node.note(runs, c.key, m.Op)
	soon, cancel := context.WithTimeout(ctx, c.node.wait)
	defer cancel()
	rev, err := c.node.kv.Update(soon, c.key, strconv.AppendUint(nil, c.n+1, 10), c.rev)
	for underWay(err) && soon.Err() == nil {
		rev, err = c.node.kv.Update(soon, c.key, strconv.AppendUint(nil, c.n+1, 10), c.rev)
	}
	if err != nil {
		ctx.Passivate() // the next life reads what is there
		return value{}, fmt.Errorf("writing: %w", err)
	}
	c.n, c.rev = c.n+1, rev
	return value{c.n}, nil
}

// underWay says whether a server of several has refused a write because it is not done with the one
// before, which it may have answered already. Nothing is stored then, and the next try may be.
func underWay(err error) bool {
	e, ok := errors.AsType[*jetstream.APIError](err)
	return ok && e.ErrorCode == 10164
}

// runNode is a node, and what starts it again if a server does not permit it to hear requests.
func runNode() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	go func() { orphaned(); stop() }() // ends with the process
	for {
		err := serveCounters(ctx)
		if !errors.Is(err, outcome.ErrNotPermitted) {
			return err
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return nil
		}
	}
}

// serveCounters is one life of a node. Calls come over a way of their own, so that it can be cut alone.
func serveCounters(ctx context.Context) error {
	name, url, own := os.Getenv(nameEnv), os.Getenv(urlEnv), os.Getenv(stateEnv)
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	lines, err := os.OpenFile(filepath.Join(os.Getenv(dirEnv), name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer lines.Close()
	soon := []nats.Option{nats.MaxReconnects(-1), nats.ReconnectWait(100 * time.Millisecond)}
	nc, err := nats.Connect(own, append(soon, nats.ReconnectBufSize(-1))...)
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	kv, err := js.KeyValue(ctx, bucket)
	if err != nil {
		return err
	}
	store, err := natsstore.Open(ctx, natsstore.Options{URL: own, NATSOptions: soon, Log: log})
	if err != nil {
		return err
	}
	defer store.Close()
	tr, err := natstransport.Open(context.Background(), natstransport.Options{URL: url, NATSOptions: append(soon, nats.UserInfo(name, password)), Log: log})
	if err != nil {
		return err
	}
	defer tr.Close()
	n := &nodeProcess{kv: kv, wait: storeTimeout, log: lines}
	if os.Getenv(sureEnv) == "true" {
		n.wait = deadline
	}
	counters := actor.Define("counter", func(key string) *counter { return &counter{node: n, key: key} },
		actor.OnActivate((*counter).load), actor.OnRequest((*counter).increment))
	t, _ := timing(os.Getenv(longEnv) == "true")
	node := cluster.NewNode(cluster.NodeOptions{
		NodeID: name, Transport: tr, Membership: store, Timing: t, NumShards: shards, Log: log,
		Kinds: map[string]cluster.ServerHandlerFunc{
			"counter": cluster.NewActorHandler(counters.New),
			"noise":   func(context.Context, cluster.Envelope) ([]byte, error) { return nil, nil },
		},
	})
	ended := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() { // ends when the node has ended
		select {
		case <-node.Ready():
			fmt.Println("ready")
			n.watch(node, ended)
		case <-ended:
		}
	})
	defer watching.Wait()
	defer close(ended)
	return node.Run(ctx)
}

// watch notes each end of the node's lease.
func (n *nodeProcess) watch(node *cluster.Node, ended <-chan struct{}) {
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for had := true; ; {
		select {
		case <-look.C:
			has := node.Health().LeaseEnded.IsZero()
			if had && !has {
				n.note(leaseEnded, "", "")
			}
			had = has
		case <-ended:
			return
		}
	}
}
