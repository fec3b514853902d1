// The stream behind the bucket: its records one by one, and the server that answers for it

package natsstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/outcome"
)

// markerTTL is how long the marker of a removed record stays.
const markerTTL = time.Minute

// stream is the stream of a bucket, and the servers' own requests for it.
type stream struct {
	*link
	bucket    string
	name      string
	subjects  string        // before a record's key
	markerTTL time.Duration // whole seconds
}

// info asks the leader about the stream.
func (s *stream) info(ctx context.Context, opts ...jetstream.StreamInfoOpt) (*jetstream.StreamInfo, error) {
	ctx, done := s.hear(ctx, apiInfo+s.name)
	defer done()
	stream, err := s.js.Stream(ctx, s.name)
	if err == nil && len(opts) == 0 {
		return stream.CachedInfo(), nil
	}
	var info *jetstream.StreamInfo
	if err == nil {
		info, err = stream.Info(ctx, opts...)
	}
	return info, s.mapped(ctx, api(err))
}

func (s *stream) publish(ctx context.Context, key string, rev uint64, value []byte) (uint64, error) {
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

// stored is like Read, but also returns the revisions of markers.
func (s *stream) stored(ctx context.Context, key string) (membership.Entry, error) {
	body, err := json.Marshal(map[string]string{"last_by_subj": s.subjects + key})
	if err != nil {
		return membership.Entry{}, err
	}
	answer, err := s.request(ctx, &nats.Msg{Subject: apiGet + s.name, Data: body})
	if err != nil {
		return membership.Entry{}, err
	}
	e, err := decodeStored(key, answer.Data)
	if is(err, codeStreamNotFound) {
		return e, s.unanswered(ctx)
	}
	return e, err
}

// request publishes a message and returns the answer.
func (s *stream) request(ctx context.Context, m *nats.Msg) (*nats.Msg, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	ctx, done := s.hear(ctx, m.Subject)
	defer done()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	answer, err := s.nc.RequestMsgWithContext(ctx, m)
	if errors.Is(err, nats.ErrNoResponders) {
		return nil, s.unanswered(ctx)
	}
	if err != nil {
		return nil, s.mapped(ctx, err)
	}
	return answer, nil
}

// gone is the error for a bucket that was deleted, or lost with its servers' disks.
func (s *stream) gone() error {
	return fmt.Errorf("%w: bucket %s is gone: %w", ErrBucket, s.bucket, membership.ErrNoRecords)
}

// unanswered says why no server answers for the bucket: its stream has no leader, or it
// does not exist any more. The latter is one server's word at one moment, and may be
// wrong: a leader of JetStream may have lost touch with the others, and a server may
// not have made its replica of the stream yet. So the nodes of package cluster act on
// it only after they have heard it for a while. Making the bucket is safe at any time:
// the servers decide about it together, and an existing bucket stays as it is.
func (s *stream) unanswered(ctx context.Context) error {
	if _, err := s.info(ctx); is(err, codeStreamNotFound) {
		return s.gone()
	}
	return s.mapped(ctx, outcome.Errorf(outcome.ErrDisconnected, "no server answers for bucket %s: its stream has no leader", s.bucket))
}

// api turns an error of package jetstream into one of ours.
func api(err error) error {
	var e *jetstream.APIError
	switch {
	case errors.As(err, &e):
		return &apiError{e.Code, int(e.ErrorCode), e.Description}
	case errors.Is(err, nats.ErrNoResponders), errors.Is(err, jetstream.ErrJetStreamNotEnabled):
		return errUnheard
	}
	return err
}
