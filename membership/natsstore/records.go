// Store.Write and Store.Read

package natsstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/membership"
)

// Write implements [membership.Store].
func (s *Store) Write(ctx context.Context, key string, rev uint64, value []byte) (uint64, error) {
	if err := checkKey(key); err != nil {
		return 0, err
	}
	got, err := s.publish(ctx, key, rev, value)
	if rev == 0 && errors.Is(err, membership.ErrConflict) {
		// A record that was removed is not there, and its marker has a revision.
		at, rerr := s.stored(ctx, key)
		if rerr != nil || at.Rev == 0 || at.Value != nil {
			return 0, err
		}
		got, err = s.publish(ctx, key, at.Rev, value)
	}
	if err != nil && !errors.Is(err, membership.ErrConflict) {
		return 0, fmt.Errorf("writing %s: %w", key, err)
	}
	return got, err
}

func (s *Store) publish(ctx context.Context, key string, rev uint64, value []byte) (uint64, error) {
	m := nats.NewMsg(s.subjects + key)
	m.Data = value
	m.Header.Set(hdrExpected, strconv.FormatUint(rev, 10))
	if value == nil {
		m.Header.Set(hdrOperation, operationPurge)
		m.Header.Set(hdrTTL, strconv.Itoa(int(s.markerTTL/time.Second)))
	}
	answer, err := s.request(ctx, m)
	if err != nil {
		return 0, err
	}
	got, err := decodeAck(answer.Data)
	var api *apiError
	if errors.As(err, &api) && (api.ErrCode == codeWrongRevision || api.ErrCode == codeWriteUnderWay) {
		return 0, membership.ErrConflict
	}
	return got, err
}

// Read implements [membership.Store]: it asks the leader of the bucket's stream.
func (s *Store) Read(ctx context.Context, key string) (membership.Entry, error) {
	if err := checkKey(key); err != nil {
		return membership.Entry{}, err
	}
	e, err := s.stored(ctx, key)
	if err != nil {
		return membership.Entry{}, fmt.Errorf("reading %s: %w", key, err)
	}
	if e.Value == nil {
		e.Rev = 0
	}
	return e, nil
}

// stored is Read that sees the revisions of markers.
func (s *Store) stored(ctx context.Context, key string) (membership.Entry, error) {
	body, err := json.Marshal(map[string]string{"last_by_subj": s.subjects + key})
	if err != nil {
		return membership.Entry{}, err
	}
	answer, err := s.request(ctx, &nats.Msg{Subject: apiGet + s.stream, Data: body})
	if err != nil {
		return membership.Entry{}, err
	}
	e, err := decodeStored(key, answer.Data)
	if is(err, codeStreamNotFound) {
		return e, s.unanswered(ctx)
	}
	return e, err
}
