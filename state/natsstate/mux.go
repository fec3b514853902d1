// mux: answers to what was published, over one subscription

package natsstate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/internal/expiry"
	"github.com/clstr-go/clstr/internal/natsdial"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/state"
)

// answerTime is how long the mux waits for an answer; after that the change is in doubt.
const answerTime = 5 * time.Second

// mux hears the answers to what a connection publishes. A waiter takes an entry of a
// map, and no goroutine.
type mux struct {
	nc    *nats.Conn
	inbox string
	sub   *nats.Subscription
	gate  *natsdial.Gate // each waiter has entered it
	clock expiry.Set

	mu      sync.Mutex
	next    uint64
	waiters map[uint64]*waiter
	closed  bool
}

// waiter waits for one answer, or several.
type waiter struct {
	expiry.Node
	m       *mux
	id      uint64
	subject string // that it was published to
	// heard is called with each message until it returns false, or once with an error. Calls
	// do not overlap, but that with an error may.
	heard func(*nats.Msg, error) (more bool)
}

func newMux(nc *nats.Conn, gate *natsdial.Gate) (*mux, error) {
	m := &mux{nc: nc, gate: gate, inbox: nc.NewInbox() + ".", waiters: map[uint64]*waiter{}}
	var err error
	m.sub, err = nc.Subscribe(m.inbox+"*", m.see)
	return m, err
}

// await registers a waiter, and returns the reply subject that it hears.
func (m *mux) await(subject string, heard func(*nats.Msg, error) bool) (*waiter, string) {
	w := &waiter{m: m, subject: subject, heard: heard}
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return nil, ""
	}
	m.next++
	w.id = m.next
	m.waiters[w.id] = w
	m.mu.Unlock()
	m.clock.Add(&w.Node, w, expiry.Now()+int64(answerTime))
	return w, m.inbox + strconv.FormatUint(w.id, 36)
}

func (m *mux) see(msg *nats.Msg) {
	id, err := strconv.ParseUint(msg.Subject[len(m.inbox):], 36, 64)
	m.mu.Lock()
	w := m.waiters[id]
	m.mu.Unlock()
	if err != nil || w == nil {
		return // too late
	}
	if !w.heard(msg, nil) {
		w.take()
	}
}

// take removes a waiter, and reports whether it was there.
func (w *waiter) take() bool {
	w.m.mu.Lock()
	_, there := w.m.waiters[w.id]
	delete(w.m.waiters, w.id)
	w.m.mu.Unlock()
	w.m.clock.Remove(&w.Node)
	if there {
		w.m.gate.Leave()
	}
	return there
}

// fail ends a waiter that has not heard the last.
func (w *waiter) fail(err error) {
	if w.take() {
		w.heard(nil, err)
	}
}

// Expire implements expiry.Expirer.
func (w *waiter) Expire() { w.fail(errNoAnswer) }

// failAll ends all that wait for what was published to a subject; empty is any.
func (m *mux) failAll(subject string, err error) {
	m.mu.Lock()
	var all []*waiter
	for _, w := range m.waiters {
		if subject == "" || w.subject == subject {
			all = append(all, w)
		}
	}
	m.mu.Unlock()
	for _, w := range all {
		w.fail(err)
	}
}

func (m *mux) close() {
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	m.failAll("", errCut)
}

// publish sends a message and has done called once with JetStream's answer.
func (m *mux) publish(msg *nats.Msg, done func(ack, error)) {
	m.gate.Enter(func() { m.publishNow(msg, done) })
}

// publishNow is publish for a caller that has entered the gate.
func (m *mux) publishNow(msg *nats.Msg, done func(ack, error)) {
	var once sync.Once
	say := func(a ack, err error) { once.Do(func() { done(a, err) }) }
	w, reply := m.await(msg.Subject, func(answer *nats.Msg, err error) bool {
		if err == nil {
			a, err := decodeAck(answer)
			say(a, err)
		} else {
			say(ack{}, err)
		}
		return false
	})
	if w == nil {
		m.gate.Leave()
		done(ack{}, state.ErrClosed)
		return
	}
	msg.Reply = reply
	if err := m.nc.PublishMsg(msg); err != nil {
		if errors.Is(err, nats.ErrMaxPayload) {
			err = fmt.Errorf("%w: %w", state.ErrTooLarge, err)
		}
		w.fail(err)
	}
}

// write publishes a message and waits for the answer.
func (m *mux) write(ctx context.Context, msg *nats.Msg) (ack, error) {
	if err := ctx.Err(); err != nil {
		return ack{}, err
	}
	type result struct {
		a   ack
		err error
	}
	c := make(chan result, 1)
	m.publish(msg, func(a ack, err error) { c <- result{a, err} })
	select {
	case r := <-c:
		return r.a, r.err
	case <-ctx.Done():
		return ack{}, context.Cause(ctx)
	}
}

// ask publishes a question whose answer has several messages, until last says that it has seen the
// last of them.
func (m *mux) ask(ctx context.Context, subject string, question any, last func(*nats.Msg) bool) ([]*nats.Msg, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	body := []byte(nil)
	if question != nil {
		var err error
		if body, err = json.Marshal(question); err != nil {
			return nil, err
		}
	}
	if !m.gate.Wait(ctx) {
		return nil, context.Cause(ctx)
	}
	var mu sync.Mutex
	var msgs []*nats.Msg
	end := make(chan error, 2)
	w, reply := m.await(subject, func(msg *nats.Msg, err error) bool {
		if err != nil {
			end <- err
			return false
		}
		mu.Lock()
		msgs = append(msgs, msg)
		mu.Unlock()
		if !last(msg) {
			return true
		}
		end <- nil
		return false
	})
	if w == nil {
		m.gate.Leave()
		return nil, state.ErrClosed
	}
	if err := m.nc.PublishMsg(&nats.Msg{Subject: subject, Reply: reply, Data: body}); err != nil {
		w.fail(err)
	}
	select {
	case err := <-end:
		mu.Lock()
		defer mu.Unlock()
		return msgs, err
	case <-ctx.Done():
		w.take()
		return nil, context.Cause(ctx)
	}
}

// ack is what JetStream answers to a publication, or to the last of a batch.
type ack struct {
	Error *apiError `json:"error"`
	Seq   uint64    `json:"seq"`
}

func decodeAck(m *nats.Msg) (a ack, err error) {
	if m.Header.Get("Status") == "503" {
		return a, outcome.Errorf(outcome.ErrDisconnected, "no server answers for %s: its stream has no leader", m.Subject)
	}
	if seq, ok := plainAck(m.Data); ok {
		return ack{Seq: seq}, nil
	}
	if err := json.Unmarshal(m.Data, &a); err != nil {
		return a, fmt.Errorf("unreadable acknowledgement: %w", err)
	}
	switch {
	case a.Error != nil:
		return a, a.Error
	case a.Seq == 0:
		return a, fmt.Errorf("an acknowledgement without a sequence: %.100q", m.Data)
	}
	return a, nil
}

// plainAck reads {"stream":"clstr_state", "seq":7}. Package json takes a twentieth of the processor time
// of a change.
func plainAck(data []byte) (seq uint64, ok bool) {
	rest, ok := bytes.CutPrefix(data, []byte(`{"stream":"`))
	if !ok {
		return 0, false
	}
	_, rest, _ = bytes.Cut(rest, []byte(`"`))
	rest, ok = bytes.CutPrefix(bytes.TrimLeft(rest, ", "), []byte(`"seq":`))
	if !ok || len(rest) < 2 || rest[len(rest)-1] != '}' {
		return 0, false
	}
	seq, err := strconv.ParseUint(string(rest[:len(rest)-1]), 10, 64)
	return seq, err == nil && seq > 0
}

// denied is the subject of a publication that the server does not permit.
func denied(err error) string {
	_, rest, ok := strings.Cut(err.Error(), "Publish to \"")
	if !ok {
		return ""
	}
	subject, _, _ := strings.Cut(rest, "\"")
	return subject
}
