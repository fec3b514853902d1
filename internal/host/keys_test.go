package host_test

import (
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/clstr-go/clstr/internal/host"
	"github.com/clstr-go/clstr/outcome"
)

// TestKeysAreAnyBytes: each key is an actor of its own, also after a panic, when
// the key is found by its process id.
func TestKeysAreAnyBytes(t *testing.T) {
	keys := []string{"", "/", "a/b", "a", "b", "a%2fb", "a%2Fb", "%2f", "%", "%%", "..", ".", " ", "a b", "a+b", "\x00", "\xff\xfe", "\u00e9", "e\u0301",
		"ünï", "clstr-1/0/a", "$1", "*", ">", "a.b", strings.Repeat("k", 4096), strings.Repeat("/", 4096)}
	w := newWorld(t, host.Options{Factory: func(key string) (host.Actor, error) {
		turns := 0
		return &entity{handle: func(c *host.Context) {
			explode(c)
			if c.Key() != key {
				t.Errorf("key %q was asked as %q", key, c.Key())
			}
			turns++
			c.Call().Reply(fmt.Append(nil, key, turns), nil)
		}}, nil
	}})
	for round := 1; round <= 2; round++ {
		for _, key := range keys {
			w.want(key, "go", fmt.Sprint(key, round))
		}
	}
	for _, key := range keys {
		if _, err := w.ask(key, "panic"); !errors.As(err, new(panicError)) {
			t.Errorf("key %q: %v", key, err)
		}
		w.want(key, "go", fmt.Sprint(key, 1))
	}
	if n := w.Active(); n != len(keys) {
		t.Errorf("%d active keys, want %d", n, len(keys))
	}
}

// TestTheSameKeyInTwoShards: a host trusts its caller with the shard, unless
// Check says otherwise.
func TestTheSameKeyInTwoShards(t *testing.T) {
	errNotHere := outcome.New(outcome.ErrLayoutMismatch)
	w := newWorld(t, host.Options{
		Factory: making(func(string) *entity {
			return &entity{handle: func(c *host.Context) { c.Call().Reply(fmt.Append(nil, c.Shard()), nil) }}
		}),
		Check: func(shard uint32, key string) *outcome.Error {
			if shard == 9 {
				return errNotHere
			}
			return nil
		},
	})
	for shard := range uint32(2) {
		c := newCall()
		w.deliver(shard, "k", c, host.Message{})
		if got, err := c.settled(t); got != fmt.Sprint(shard) || err != nil {
			t.Errorf("shard %d: %q, %v", shard, got, err)
		}
	}
	if err := w.Deliver(9, "k", newCall()); err != error(errNotHere) {
		t.Errorf("got %v, want what Check said", err)
	}
	if n := w.Active(); n != 2 {
		t.Errorf("%d active", n)
	}
}

func TestMailboxIsBounded(t *testing.T) {
	for _, size := range []int{1, 5, 0, -1} {
		t.Run(strconv.Itoa(size), func(t *testing.T) {
			room := size
			switch size {
			case 0:
				room = host.DefaultMailboxSize
			case -1:
				room = 3 * host.DefaultMailboxSize
			}
			o := &counter{}
			in, gate := make(chan struct{}, 1), make(chan struct{})
			w := newWorld(t, host.Options{MailboxSize: size, Observer: o, Factory: making(func(string) *entity {
				return &entity{handle: func(c *host.Context) {
					if c.Message().Type == "block" {
						in <- struct{}{}
						<-gate
					}
					c.Call().Reply(nil, nil)
				}}
			})})
			calls := []*call{w.send("k", "block")}
			await(t, in, "the turn")
			for range room {
				calls = append(calls, w.send("k", "go"))
			}
			refused := newCall()
			err := w.Deliver(0, "k", refused)
			if size == -1 {
				calls = append(calls, refused)
			}
			if full := errors.Is(err, outcome.ErrOverloaded); full != (size != -1) {
				t.Errorf("message %d: %v", room+1, err)
			}
			w.want("other", "go", "") // has a mailbox of its own
			close(gate)
			for _, c := range calls {
				if _, err := c.settled(t); err != nil {
					t.Error(err)
				}
				c.check(t)
			}
			if size != -1 && refused.answers != 0 {
				t.Error("a message that was not taken was answered")
			}
			w.want("k", "go", "")
			if _, _, _, full, _ := o.numbers(); full != min(size, 0)+1 {
				t.Errorf("%d refusals observed", full)
			}
		})
	}
}

// TestMemoryIsGivenBack cycles many keys through a small host.
func TestMemoryIsGivenBack(t *testing.T) {
	const n, cap = 120_000, 100
	w := newWorld(t, host.Options{CacheSize: cap, Factory: making(func(string) *entity { return &entity{} })})
	cycle := func(from, to int) {
		calls := make([]*call, 0, cap)
		for i := from; i < to; i++ {
			calls = append(calls, w.send(strconv.Itoa(i), ""))
			if len(calls) == cap || i == to-1 {
				for _, c := range calls {
					if _, err := c.settled(t); err != nil {
						t.Fatal(err)
					}
				}
				calls = calls[:0]
			}
		}
		eventually(t, "the cap", func() bool { return w.Active() <= cap && w.processes() <= cap+20 })
	}
	// Protoactor's registry is 32,768 maps. Each allocates with its first
	// key, and the first half touches most of them.
	cycle(0, n/2)
	before := heapInUse()
	cycle(n/2, n)
	if grown := int64(heapInUse()) - int64(before); grown > 4<<20 {
		t.Errorf("the heap grew by %d KiB over %d keys that have gone", grown>>10, n/2)
	}
}

// TestMemoryOfAPeakIsGivenBack: what many keys have taken at once does not stay
// when they have gone. Protoactor keeps a list of children, some 130 bytes for each.
func TestMemoryOfAPeakIsGivenBack(t *testing.T) {
	const keys, shards = 60_000, 4
	w := newWorld(t, host.Options{CacheSize: -1, Factory: making(func(string) *entity {
		return &entity{handle: func(c *host.Context) {
			if c.Message().Type == "leave" {
				c.Passivate()
			}
			c.Call().Reply(nil, nil)
		}}
	})})
	all := func(shard int, typ string) {
		for from := 0; from < keys; from += 100 {
			var calls []*call
			for i := from; i < from+100; i++ {
				c := newCall()
				w.deliver(uint32(shard+i%shards), strconv.Itoa(i), c, host.Message{Type: typ})
				calls = append(calls, c)
			}
			for _, c := range calls {
				if _, err := c.settled(t); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	gone := func() bool { return w.Active() == 0 && w.processes() < 100 }
	all(shards, "leave") // protoactor's registry of all processes
	eventually(t, "all have gone", gone)
	before := heapInUse()
	all(0, "go")
	peak := int64(heapInUse()) - int64(before)
	all(0, "leave")
	eventually(t, "all have gone", gone)
	after := int64(heapInUse()) - int64(before)
	if per := after / keys; per > 160 {
		t.Errorf("%d bytes stay of each of %d keys that have gone, of %d at the peak", per, keys, peak/keys)
	}
}

// heapInUse is what the heap holds.
func heapInUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
