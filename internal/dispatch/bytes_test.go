package dispatch

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

// keeper keeps what it accepts, as the mailbox of a key that is busy does.
type keeper struct {
	refuses bool // before that, as a full mailbox does
	calls   []*Call
}

func (k *keeper) Accept(c *Call) {
	if err := c.Weigh("key"); err != nil {
		c.Refuse(err)
		return
	}
	if k.refuses {
		c.Refuse(outcome.New(outcome.ErrDraining))
	}
	k.calls = append(k.calls, c)
}

func (k *keeper) sub(t *testing.T) *Sub {
	t.Helper()
	d := NewDispatcher(transport.Limits{}, silent)
	s, err := d.Subscribe(t.Context(), whole(k))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return s
}

const (
	heavyBytes = 64 << 10
	heavyOnes  = heavyBytes + 3 + 1 + 1 + headerBytes // of heavy, with key and header
)

func heavy() transport.Envelope {
	return transport.Envelope{Type: "Heavy", Key: "key", Data: make([]byte, heavyBytes), Headers: map[string]string{"h": "v"}}
}

// A call that was refused, or whose sender has gone, may lie in a mailbox for long:
// its payload goes at once.
func TestPayloadOfWhatNeverBeganIsFreed(t *testing.T) {
	for name, end := range map[string]func(*Call){
		"its sender leaves": func(c *Call) { c.Leave(context.Canceled) },
		"it is refused":     func(c *Call) { c.Refuse(outcome.New(outcome.ErrDraining)) },
		"its time is up":    func(c *Call) { c.until = 1; c.Expire() },
	} {
		k := &keeper{}
		s := k.sub(t)
		env := heavy()
		payload := weak.Make(&env.Data[0])
		s.Dispatch(NewCall(env, &inbox{}, 0))
		env = transport.Envelope{}
		if held := s.life.bytes.Load(); held != heavyOnes || s.keys.held.Len() != 1 {
			t.Errorf("%s: %d bytes are held before, of %d keys", name, held, s.keys.held.Len())
		}
		end(k.calls[0])
		runtime.GC()
		if payload.Value() != nil {
			t.Errorf("%s: the payload is held", name)
		}
		if _, there := k.calls[0].Peek(); there {
			t.Errorf("%s: Peek says that it is there", name)
		}
		if k.calls[0].Start(nil) {
			t.Errorf("%s: it starts", name)
		}
	}
}

// However a call ends, it gives back what it has taken, once.
func TestBytesAreGivenBack(t *testing.T) {
	start := func(c *Call) { c.Start(nil) }
	answer := func(c *Call) { c.Reply(nil, nil) }
	end := func(c *Call) { c.End() }
	leave := func(c *Call) { c.Leave(context.Canceled) }
	refuse := func(c *Call) { c.Refuse(outcome.New(outcome.ErrDraining)) }
	wait := func(*Call) { pass(time.Hour) }
	for name, steps := range map[string][]func(*Call){
		"answered":                 {start, answer, end},
		"answered late":            {start, end, answer},
		"left, waiting":            {leave},
		"left, running":            {start, leave, end},
		"refused, waiting":         {refuse},
		"refused, running":         {start, refuse, end},
		"refused again":            {refuse, refuse, leave},
		"expired, waiting":         {wait},
		"expired, running":         {start, wait, end},
		"expired, left open":       {start, end, wait},
		"answered after its end":   {start, wait, answer, end},
		"a notification of an end": {start, end},
	} {
		for _, delivery := range []transport.Delivery{transport.AwaitReply, transport.AwaitAccept, transport.AwaitNothing} {
			if delivery != transport.AwaitReply && name == "a notification of an end" {
				continue
			}
			synctest.Test(t, func(t *testing.T) {
				k := &keeper{}
				s := k.sub(t)
				env := heavy()
				env.Delivery, env.TTLMs = delivery, 1000
				s.Dispatch(NewCall(env, &inbox{}, 0))
				for _, step := range steps {
					if s.life.bytes.Load() < heavyBytes && name != "refused again" {
						t.Errorf("%s, %v: given back early", name, delivery)
					}
					step(k.calls[0])
				}
				wait(nil)
				if held := s.life.bytes.Load(); held != 0 || s.keys.held.Len() != 0 {
					t.Errorf("%s, %v: %d bytes are held, %d keys hold some", name, delivery, held, s.keys.held.Len())
				}
			})
		}
	}
}

// What is refused has taken nothing either, whichever code refuses it.
func TestRefusalsTakeNoBytes(t *testing.T) {
	k := &keeper{refuses: true}
	s := k.sub(t)
	s.life.LimitBytes(heavyOnes+5, heavyOnes+5)
	for range 10 {
		in := &inbox{}
		s.Dispatch(NewCall(heavy(), in, 0))
		if e := in.only(); !errors.Is(e, outcome.ErrDraining) {
			t.Fatalf("%v", e)
		}
	}
	k.refuses = false
	s.Dispatch(NewCall(heavy(), &inbox{}, 0))
	for _, most := range [][2]int{{heavyOnes + 5, -1}, {-1, heavyOnes + 5}} {
		s.life.LimitBytes(most[0], most[1])
		in := &inbox{}
		s.Dispatch(NewCall(heavy(), in, 0))
		if e := in.only(); !errors.Is(e, outcome.ErrOverloaded) || e.RetryAfter <= 0 {
			t.Errorf("%v: %v", most, e)
		}
		if held := s.life.bytes.Load(); held != heavyOnes {
			t.Errorf("%v: %d bytes are held", most, held)
		}
	}
	for _, c := range k.calls {
		c.Refuse(outcome.New(outcome.ErrDraining))
	}
}

// What a call is counted as: payload, key, ID and headers, the turns of a caller elsewhere,
// and names beyond what most have.
func TestWhatCountsOfACall(t *testing.T) {
	by := &Turn{Kind: "kind", Key: "key", By: &Turn{Key: "other"}}
	for name, tc := range map[string]struct {
		env   transport.Envelope
		by    *Turn
		bytes int64
	}{
		"nothing":       {},
		"payload":       {env: transport.Envelope{Data: make([]byte, 100), Key: "key", ID: "order-1"}, bytes: 110},
		"short names":   {env: transport.Envelope{Type: "Type", Kind: "kind", ReplyTo: strings.Repeat("r", 120)}},
		"long names":    {env: transport.Envelope{Type: strings.Repeat("t", 512), Kind: "k", ReplyTo: strings.Repeat("r", 256)}, bytes: 512 + 1 + 256 - namesBytes},
		"empty headers": {env: transport.Envelope{Headers: map[string]string{"a": "", "b": ""}}, bytes: 2*headerBytes + 2},
		"turns":         {by: by, bytes: 2*turnBytes + 4 + 3 + 5},
	} {
		k := &keeper{}
		s := k.sub(t)
		c := NewCall(tc.env, &inbox{}, 0)
		c.SetWaiting(tc.by)
		s.Dispatch(c)
		if held := s.life.bytes.Load(); held != tc.bytes {
			t.Errorf("%s: %d bytes are held, not %d", name, held, tc.bytes)
		}
		c.Refuse(outcome.New(outcome.ErrDraining))
		if held := s.life.bytes.Load(); held != 0 {
			t.Errorf("%s: %d bytes are held afterwards", name, held)
		}
	}
}

// A shard keeps no room for as many keys and calls as it had once: a node has many shards.
func TestShardsGiveRoomBack(t *testing.T) {
	const calls = 2000
	b := &book{}
	s := b.sub(t, transport.Limits{MaxPending: -1})
	s.life.LimitBytes(-1, 8192)
	var all []*Call
	for i := range calls {
		c := NewCall(transport.Envelope{Key: fmt.Sprintf("%04d", i)}, &inbox{}, 0)
		s.Dispatch(c)
		if err := c.Weigh(c.env.Key); err != nil {
			t.Fatal(err)
		}
		c.Start(nil)
		c.OnDrain(func() {})
		all = append(all, c)
	}
	room := func() []int { return []int{s.keys.held.Room(), s.hearers.calls.Room()} }
	if got := room(); slices.Min(got) < calls {
		t.Errorf("there is room for %d", got)
	}
	for _, c := range all {
		c.Reply(nil, nil)
		c.End()
	}
	if got := room(); slices.Max(got) > calls/4 {
		t.Errorf("room for %d is kept", got)
	}
}
