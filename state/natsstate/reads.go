// reads: Store.Read

package natsstate

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/state"
)

// reads reads what is stored.
type reads struct {
	names
	mux    *mux
	floors *floors
	client bool
}

// multi asks any replica for the newest messages of subjects, and for the last sequence that it knows.
func multi(ctx context.Context, m *mux, stream string, subjects []string) (msgs []*nats.Msg, upTo uint64, err error) {
	return get(ctx, m, stream, map[string]any{"multi_last": subjects})
}

// get is a direct get with several answers.
func get(ctx context.Context, m *mux, stream string, question map[string]any) ([]*nats.Msg, uint64, error) {
	msgs, err := m.ask(ctx, apiDirect+stream, question, func(m *nats.Msg) bool { return m.Header.Get("Status") != "" })
	if err != nil {
		return nil, 0, err
	}
	end := msgs[len(msgs)-1]
	switch end.Header.Get("Status") {
	case "204":
		return msgs[:len(msgs)-1], seqOf(end.Header, hdrUpTo), nil
	case "404":
		return nil, 0, nil
	default:
		return nil, 0, refusal(stream, end)
	}
}

// refusal is the error of an answer that holds nothing.
func refusal(stream string, m *nats.Msg) error {
	status := m.Header.Get("Status")
	if status == "503" {
		return outcome.Errorf(outcome.ErrDisconnected, "no server answers for stream %s: it has no leader, or no node has made it yet", stream)
	}
	return fmt.Errorf("JetStream: %s %s", status, m.Header.Get("Description"))
}

// errBehind: the replica that has answered does not know all that this store knows of.
var errBehind = fmt.Errorf("%w for a replica that is not behind", errWait)

// Read implements [state.Store].
func (r *reads) Read(ctx context.Context, t state.Token, in state.Range) ([]state.Entry, bool, error) {
	switch {
	case in.Place >= state.Places:
		return nil, false, fmt.Errorf("%w: place %d", state.ErrInvalid, in.Place)
	case r.client:
		return r.last(ctx, t, in)
	}
	for pause := time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		es, more, err := r.try(ctx, t, in)
		if !errors.Is(err, errWait) {
			return es, more, err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, false, fmt.Errorf("reading %v of shard %d: %w: %w", in.Place, in.Shard, err, context.Cause(ctx))
		}
	}
}

func (r *reads) try(ctx context.Context, t state.Token, in state.Range) (es []state.Entry, more bool, err error) {
	subject := r.of(in)
	newest := in.Of() && (in.Place == state.Records || in.Place == state.Reminders)
	proof := []string{r.fence(in.Shard)}
	if in.Of() && in.Place != state.Inbox {
		proof = append(proof, subject)
	}
	var last *nats.Msg
	if newest || t != (state.Token{}) {
		floor := r.floors.get(in.Shard)
		msgs, upTo, err := multi(ctx, r.mux, r.stateStream, proof)
		if err != nil {
			return nil, false, err
		}
		fence := state.Rev(0)
		for _, m := range msgs {
			if said(m.Header, hdrSubject) == subject {
				last = m
			} else {
				fence = state.Rev(seqOf(m.Header, hdrSequence))
			}
		}
		if t != (state.Token{}) {
			switch {
			case fence > t.Rev:
				return nil, false, fmt.Errorf("%w: shard %d was opened again", state.ErrDeposed, t.Shard)
			case fence < t.Rev || state.Rev(upTo) < max(floor, t.Rev):
				return nil, false, errBehind
			}
		}
	}
	if newest {
		if last != nil {
			if e := r.entry(last); e.Rev > in.After {
				es = append(es, e)
			}
		}
		return es, false, nil
	}
	es, more, err = r.list(ctx, in, subject, 0)
	if err == nil && last != nil && !more && !seen(in, es, state.Rev(seqOf(last.Header, hdrSequence))) {
		err = errBehind
	}
	return es, more, err
}

// list reads the entries after a revision; bytes bounds them too, if it is positive.
func (r *reads) list(ctx context.Context, in state.Range, subject string, bytes int) ([]state.Entry, bool, error) {
	most := in.Limit()
	question := map[string]any{"seq": uint64(in.After) + 1, "next_by_subj": subject, "batch": most + 1}
	if bytes > 0 {
		question["max_bytes"] = bytes
	}
	msgs, _, err := get(ctx, r.mux, r.stream(in.Place), question)
	if err != nil {
		return nil, false, err
	}
	// An answer that is cut by its size has fewer, and says how many are left.
	more := len(msgs) > most || len(msgs) > 0 && seqOf(msgs[len(msgs)-1].Header, hdrPending) > 0
	var es []state.Entry
	for _, m := range msgs[:min(len(msgs), most)] {
		es = append(es, r.entry(m))
	}
	return es, more, nil
}

// last reads what a client may read: the record of a key, which may be a moment old.
func (r *reads) last(ctx context.Context, t state.Token, in state.Range) ([]state.Entry, bool, error) {
	if in.Place != state.Records || !in.Of() || t != (state.Token{}) {
		return nil, false, errClient
	}
	msgs, err := r.mux.ask(ctx, apiDirect+r.stateStream+"."+r.of(in), nil, func(*nats.Msg) bool { return true })
	if err != nil {
		return nil, false, err
	}
	switch msgs[0].Header.Get("Status") {
	case "":
	case "404":
		return nil, false, nil
	default:
		return nil, false, refusal(r.stateStream, msgs[0])
	}
	if e := r.entry(msgs[0]); e.Rev > in.After {
		return []state.Entry{e}, false, nil
	}
	return nil, false, nil
}

// entry reads a message of a stream, as a get or a republication has it.
func (n names) entry(m *nats.Msg) state.Entry {
	subject := said(m.Header, hdrSubject)
	tail, inbox := strings.CutPrefix(subject, n.inbox)
	if !inbox {
		tail = strings.TrimPrefix(subject, n.data)
	}
	e, err := parse(inbox, tail, m.Header)
	e.Rev = state.Rev(seqOf(m.Header, hdrSequence))
	e.Time, _ = time.Parse(time.RFC3339Nano, said(m.Header, hdrTime))
	if err == nil && len(m.Header[hdrSubject]) > 1 {
		err = errors.New("it is an answer of JetStream's that a user has had stored here")
	}
	if err != nil {
		e.Err = fmt.Errorf("%w: %s at %d: %v", state.ErrUnreadable, subject, e.Rev, err)
		return e
	}
	switch e.Place {
	case state.Reminders, state.Spilled:
		e.Parse(m.Data, nil)
	default:
		e.Parse([]byte(m.Header.Get(hdrHead)), m.Data)
	}
	if ttl := seqOf(m.Header, hdrTTL); e.TTL == 0 && ttl > 0 {
		e.TTL = time.Duration(ttl) * time.Second
	}
	return e
}

// seen reports whether a list that ends with es has come to the newest.
func seen(in state.Range, es []state.Entry, newest state.Rev) bool {
	if len(es) == 0 {
		return newest <= in.After
	}
	return es[len(es)-1].Rev >= newest
}
