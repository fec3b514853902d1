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
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/membership/natsstore"
	"github.com/clstr-go/clstr/transport/natstransport"
)

const (
	shards = 64
	bucket = "counters"
	// storeTimeout is how long the bucket is waited for: what a server had received
	// when it was killed is never answered.
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
	runs *os.File // a line for each turn that has started
}

func (n *nodeProcess) note(what, key, op string) {
	line, _ := json.Marshal(turn{what, key, op})
	_, _ = n.runs.Write(append(line, '\n')) // one write: the file survives the process
}

// turn is a line of a node's log.
type turn struct{ What, Key, Op string }

func (c *counter) load(ctx *actor.Context) error {
	c.node.note("activate", c.key, "")
	soon, cancel := context.WithTimeout(ctx, storeTimeout)
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
	c.node.note("run", c.key, m.Op)
	soon, cancel := context.WithTimeout(ctx, storeTimeout)
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

func runNode() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	go func() { orphaned(); stop() }() // ends with the process
	name, url := os.Getenv(nameEnv), os.Getenv(urlEnv)
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	runs, err := os.OpenFile(filepath.Join(os.Getenv(dirEnv), name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	soon := []nats.Option{nats.MaxReconnects(-1), nats.ReconnectWait(100 * time.Millisecond)}
	nc, err := nats.Connect(url, append(soon, nats.ReconnectBufSize(-1))...)
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
	store, err := natsstore.Open(ctx, natsstore.Options{URL: url, NATSOptions: soon, Log: log})
	if err != nil {
		return err
	}
	defer store.Close()
	tr, err := natstransport.Open(context.Background(), natstransport.Options{URL: url, NATSOptions: soon, Log: log})
	if err != nil {
		return err
	}
	defer tr.Close()
	n := &nodeProcess{kv: kv, runs: runs}
	counters := actor.Define("counter", func(key string) *counter { return &counter{node: n, key: key} },
		actor.OnActivate((*counter).load), actor.OnRequest((*counter).increment))
	t, _ := timing(os.Getenv(longEnv) == "true")
	node := cluster.NewNode(cluster.NodeOptions{
		NodeID: name, Transport: tr, Membership: store, Timing: t, NumShards: shards, Log: log,
		Kinds: map[string]cluster.ServerHandlerFunc{"counter": cluster.NewActorHandler(counters.New)},
	})
	go func() { // ends with the process
		<-node.Ready()
		fmt.Println("ready")
	}()
	return node.Run(ctx)
}
