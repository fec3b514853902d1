// fences: Store.Open, and the cluster's signature

package natsstate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/state"
)

// fences opens shards.
type fences struct {
	names
	mux    *mux
	floors *floors
	client bool

	mu    sync.Mutex
	adopt bool
}

var errClient = fmt.Errorf("%w: the store was opened for a client", state.ErrInvalid)

// Open implements [state.Store].
func (f *fences) Open(ctx context.Context, shard uint32, o state.Owner, held state.Token) (state.Token, error) {
	if f.client {
		return state.Token{}, errClient
	}
	for pause := time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		token, err := f.try(ctx, shard, o, held)
		if !errors.Is(err, errWait) {
			return token, err
		}
		select { // another has moved it, or the replica that was asked is behind
		case <-time.After(pause):
		case <-ctx.Done():
			return token, fmt.Errorf("opening shard %d: %w: %w", shard, err, context.Cause(ctx))
		}
	}
}

func (f *fences) try(ctx context.Context, shard uint32, o state.Owner, held state.Token) (t state.Token, err error) {
	var fence state.Fence
	var sign state.Signature
	floor := max(f.floors.get(shard), held.Rev) // before the question
	msgs, upTo, err := multi(ctx, f.mux, f.stateStream, []string{f.signature(), f.fence(shard)})
	if err != nil {
		return t, fmt.Errorf("reading the fence of shard %d: %w", shard, err)
	}
	seqs := map[string]uint64{}
	for _, m := range msgs {
		subject := said(m.Header, hdrSubject)
		seqs[subject] = seqOf(m.Header, hdrSequence)
		if isAnswer(m) {
			continue // it counts as none
		}
		into := any(&fence)
		if subject == f.signature() {
			into = &sign
		}
		if err := json.Unmarshal(m.Data, into); err != nil {
			return t, fmt.Errorf("%w: %s: %v", state.ErrUnreadable, subject, err)
		}
	}
	next, err := fence.Move(shard, o, held)
	if err != nil && upTo < uint64(floor) {
		return t, fmt.Errorf("%w: %w", errWait, err) // a replica that is behind
	}
	if err != nil {
		return t, err
	}
	if held == (state.Token{}) {
		if err := f.admit(ctx, o, sign, seqs[f.signature()]); err != nil {
			return t, err
		}
	}
	seq, err := f.swap(ctx, f.fence(shard), next, seqs[f.fence(shard)])
	if err != nil {
		return t, err
	}
	f.floors.raise(shard, state.Rev(seq))
	return next.Token(shard, state.Rev(seq)), nil
}

// admit checks the signature, and renews it.
func (f *fences) admit(ctx context.Context, o state.Owner, sign state.Signature, seq uint64) error {
	f.mu.Lock()
	adopt := f.adopt
	f.mu.Unlock()
	next, err := sign.Admit(o, adopt)
	if err != nil || next == sign && seq != 0 {
		return err
	}
	if _, err := f.swap(ctx, f.signature(), next, seq); err != nil {
		return err
	}
	if next.Cluster != sign.Cluster {
		f.mu.Lock()
		f.adopt = false
		f.mu.Unlock()
	}
	return nil
}

// swap replaces an entry of ours. If it was replaced meanwhile, swap returns errWait.
func (f *fences) swap(ctx context.Context, subject string, v any, seq uint64) (uint64, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return 0, err
	}
	m := nats.NewMsg(subject)
	m.Data = body
	m.Header[hdrExpected] = []string{strconv.FormatUint(seq, 10)}
	m.Header[hdrRollup] = []string{"sub"}
	a, err := f.mux.write(ctx, m)
	switch code(err) {
	case codeWrongSequence, codeUnderWay:
		return 0, fmt.Errorf("%w: %w", errWait, err)
	}
	return a.Seq, err
}
