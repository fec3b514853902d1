package clstr_test

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/testkit"
)

// cutter dials, until it cuts all that it has dialed for good.
type cutter struct {
	mu    sync.Mutex
	cut   bool
	conns []net.Conn
}

func (c *cutter) Dial(network, address string) (net.Conn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cut {
		return nil, errors.New("cut off")
	}
	conn, err := net.Dial(network, address)
	c.conns = append(c.conns, conn)
	return conn, err
}

func (c *cutter) Cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = true
	for _, conn := range c.conns {
		_ = conn.Close()
	}
}

// cutOff is a service of two processes, where a test can cut one off.
type cutOff struct {
	lost, rest *clstr.Service
	wire       *cutter
}

func openCutOff(t *testing.T, hosts []clstr.Entity, shards uint32) cutOff {
	t.Helper()
	testkit.CheckLeaks(t)
	c, url := cutOff{wire: &cutter{}}, startNATS(t).URL()
	var err error
	c.lost, err = clstr.Open(t.Context(), clstr.Options{
		Name: "bank", On: clstr.NATS(url, nats.SetCustomDialer(c.wire)), Entities: hosts, Shards: shards, Log: quiet,
		Node: cluster.NodeOptions{Timing: testkit.LiveTiming, StopTimeout: time.Second},
	})
	if err != nil {
		t.Fatal(err)
	}
	c.rest = open(t, clstr.Options{On: clstr.NATS(url), Entities: hosts})
	return c
}

// deposit puts 1 into an account of the process that is left. It asks again once if the first message was
// on its way to the other.
func (c cutOff) deposit(t *testing.T, to interface{ Kind() string }, key string) Balance {
	t.Helper()
	b, err := clstr.Ask[Balance](t.Context(), c.rest.Key(to, key), Deposit{1})
	if cluster.OutcomeOf(err) == cluster.MaybeRan {
		b, err = clstr.Ask[Balance](t.Context(), c.rest.Key(to, key), Deposit{1})
	}
	if err != nil {
		t.Errorf("%s: %v", key, err)
	}
	return b
}

// end fails the test unless the process that is cut off ends.
func (c cutOff) end(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _ = c.lost.Close(ctx); ctx.Err() != nil {
		t.Error("the one that is cut off does not end")
	}
}
