package natstransport_test

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/transport/natstransport"
)

// mischief is a network that delivers the messages to one end late, in another order, and twice, as a seed decides. Only the reader's
// goroutine uses its fields, once they are made.
type mischief struct {
	end   *natstransport.Transport
	r     *rand.Rand
	held  []late
	twice func(m *nats.Msg) bool // which messages may come twice

	doubled, moved int
	over           bool // everything comes as it should
}

// late is a message that is held. Each message that comes, and each millisecond, takes one from left. At 0 it is delivered.
type late struct {
	left int
	msg  *nats.Msg
	take func(*nats.Msg)
}

// meddle begins the mischief. stop ends it, and has all messages delivered that are still held.
func meddle(t *testing.T, end *natstransport.Transport, seed, stream uint64, twice func(*nats.Msg) bool) (stop func() *mischief) {
	t.Helper()
	m := &mischief{end: end, r: rand.New(rand.NewPCG(seed, stream)), twice: twice}
	end.Meddle(m.comes)
	over, ended := make(chan struct{}), make(chan struct{})
	go func() { // ends with stop
		defer close(ended)
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				end.Behind(func() { m.pass(1) })
			case <-over:
				return
			}
		}
	}()
	stop = sync.OnceValue(func() *mischief {
		close(over)
		<-ended
		end.Behind(func() {
			m.over = true
			m.pass(1 << 20)
		})
		return m
	})
	t.Cleanup(func() { stop() })
	return stop
}

// comes is called with each message.
func (m *mischief) comes(msg *nats.Msg, take func(*nats.Msg)) {
	again := func() *nats.Msg { // its receiver may own its bytes
		return &nats.Msg{Subject: msg.Subject, Reply: msg.Reply, Header: msg.Header, Data: slices.Clone(msg.Data), Sub: msg.Sub}
	}
	hold := func(msg *nats.Msg) {
		left := 1 + m.r.IntN(8)
		if m.r.IntN(20) == 0 {
			left = m.r.IntN(100)
		}
		m.held = append(m.held, late{left, msg, take})
	}
	switch n := m.r.IntN(100); {
	case m.over:
		take(msg)
	case n < 15:
		m.moved++
		hold(msg)
	case n < 25 && m.twice(msg):
		m.doubled++
		hold(again())
		take(msg)
	case n < 35 && m.twice(msg):
		m.doubled++
		more := again()
		take(msg)
		take(more)
	default:
		take(msg)
	}
	m.pass(1)
}

// pass delivers what was held for long enough.
func (m *mischief) pass(n int) {
	held := m.held
	m.held = nil
	var due []late
	for _, l := range held {
		if l.left -= n; l.left > 0 {
			m.held = append(m.held, l)
		} else {
			due = append(due, l)
		}
	}
	for _, l := range due {
		l.take(l.msg)
	}
}
