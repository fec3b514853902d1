// Making the bucket, or what is wrong with the one that is there

package natsstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/outcome"
)

// ownKey is the record that says whose the bucket is.
const ownKey = "bucket"

// own is that record.
type own struct {
	Version int    `json:"v"`
	Prefix  string `json:"prefix"`
}

// open finds the bucket, or makes it. Nodes may do so at the same moment.
func (s *Store) open(ctx context.Context, atMost time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, atMost)
	defer cancel()
	if v := s.nc.ConnectedServerVersion(); tooOld(v) {
		return fmt.Errorf("%w: %s, want 2.11 or newer", ErrServerVersion, v)
	}
	info, err := s.info(ctx)
	if is(err, codeStreamNotFound) {
		info, err = s.create(ctx)
		if is(err, codeNameInUse) { // another node was faster
			info, err = s.info(ctx)
		}
		if errors.Is(err, outcome.ErrNotPermitted) {
			return fmt.Errorf("%w; make bucket %s with: %s", err, s.bucket, s.command())
		}
	}
	if err != nil {
		return s.unopened(err)
	}
	if wrong := s.differences(info.Config); len(wrong) > 0 {
		return fmt.Errorf("%w: bucket %s: %s", ErrBucket, s.bucket, strings.Join(wrong, "; "))
	}
	return s.sign(ctx)
}

func is(err error, code int) bool {
	var e *apiError
	return errors.As(err, &e) && e.ErrCode == code
}

// unopened says whether to wait.
func (s *Store) unopened(err error) error {
	if errors.Is(err, errUnheard) && s.nc.IsConnected() && !s.mayHaveJetStream() {
		return fmt.Errorf("%w: no server answers its requests", ErrNoJetStream)
	}
	if is(err, codeStreamNotFound) || errors.Is(err, membership.ErrNoRecords) { // it was there, or was made, a moment ago
		return fmt.Errorf("%w for servers that know bucket %s: %w", errWait, s.bucket, err)
	}
	var e *apiError
	if !errors.As(err, &e) {
		return err
	}
	switch {
	case e.ErrCode == codeNotEnabled || e.ErrCode == codeNotEnabledAccount:
		return fmt.Errorf("%w: %v", ErrNoJetStream, e)
	case e.ErrCode == codeNoPeers:
		return fmt.Errorf("%w for %d servers with JetStream, or say Replicas: %w", errWait, s.replicas(), e)
	case e.ErrCode == codeNotAvailable || e.Code == 503:
		return fmt.Errorf("%w for JetStream's leader: %w", errWait, e)
	}
	return fmt.Errorf("%w: bucket %s: %w", ErrBucket, s.bucket, e)
}

// mayHaveJetStream: the server has it, or others may have it for this one.
func (s *Store) mayHaveJetStream() bool {
	enabled, _ := s.nc.ConnectedServerJetStream()
	return enabled || s.nc.ConnectedClusterName() != ""
}

func (s *Store) replicas() int {
	switch {
	case s.opts.Replicas > 0:
		return s.opts.Replicas
	case s.nc.ConnectedClusterName() != "":
		return 3
	}
	return 1
}

func (s *Store) create(ctx context.Context) (*jetstream.StreamInfo, error) {
	cfg := jetstream.StreamConfig{
		Name:              s.stream,
		Description:       "members and shards of the clstr cluster " + s.opts.Prefix,
		Subjects:          []string{s.subjects + ">"},
		Storage:           jetstream.FileStorage,
		Replicas:          s.replicas(),
		MaxMsgsPerSubject: 1,
		MaxMsgs:           -1,
		MaxBytes:          -1,
		MaxMsgSize:        -1,
		MaxConsumers:      -1,
		Discard:           jetstream.DiscardNew,
		DenyDelete:        true,
		AllowRollup:       true, // key-value clients purge with it
		AllowDirect:       true,
		AllowMsgTTL:       true,
		RePublish:         &jetstream.RePublish{Source: s.subjects + ">", Destination: s.events + ">"},
	}
	if s.opts.Memory {
		cfg.Storage = jetstream.MemoryStorage
	}
	made, err := s.make(ctx, cfg)
	if is(err, codeNoCluster) && s.opts.Replicas == 0 {
		cfg.Replicas = 1
		made, err = s.make(ctx, cfg)
	}
	return made, err
}

func (s *Store) make(ctx context.Context, cfg jetstream.StreamConfig) (*jetstream.StreamInfo, error) {
	ctx, done := s.hear(ctx, apiCreate+s.stream)
	defer done()
	made, err := s.js.CreateStream(ctx, cfg)
	if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
		return nil, &apiError{ErrCode: codeNameInUse}
	}
	if err != nil {
		return nil, s.mapped(ctx, api(err))
	}
	return made.CachedInfo(), nil
}

// differences lists why a bucket cannot serve.
func (s *Store) differences(have jetstream.StreamConfig) (wrong []string) {
	want := func(ok bool, format string, args ...any) {
		if !ok {
			wrong = append(wrong, fmt.Sprintf(format, args...))
		}
	}
	subjects := s.subjects + ">"
	want(len(have.Subjects) == 1 && have.Subjects[0] == subjects, "subjects %q, want %q", have.Subjects, subjects)
	r := have.RePublish
	if r == nil {
		r = &jetstream.RePublish{}
	}
	want(r.Source == subjects && r.Destination == s.events+">" && !r.HeadersOnly,
		"it republishes %q to %q (headers only: %v), want %q to %q with values", r.Source, r.Destination, r.HeadersOnly, subjects, s.events+">")
	want(have.MaxMsgsPerSubject == 1, "history %d, want 1", have.MaxMsgsPerSubject)
	want(have.MaxAge == 0, "records end after %v, want never", have.MaxAge)
	want(have.Discard == jetstream.DiscardNew || have.MaxMsgs <= 0 && have.MaxBytes <= 0, "old records make room for new ones, want refusal (discard new)")
	want(have.AllowDirect, "no direct gets, want them allowed")
	want(have.AllowMsgTTL, "no TTL of a message, want it allowed (--marker-ttl)")
	want(have.Mirror == nil && len(have.Sources) == 0 && have.SubjectTransform == nil, "it has a mirror, sources or a transform, want none")
	want(!have.Sealed && !have.NoAck, "it is sealed (%v) or does not acknowledge (%v)", have.Sealed, have.NoAck)
	want(s.opts.Memory || have.Storage == jetstream.FileStorage, "storage %v, want file, or say Memory", have.Storage)
	want(s.opts.Replicas == 0 || s.opts.Replicas == have.Replicas, "replicas %d, want %d", have.Replicas, s.opts.Replicas)
	return wrong
}

// sign writes the store's own record, or reads it. The bucket has a leader then.
func (s *Store) sign(ctx context.Context) error {
	mine := own{Version: 1, Prefix: s.opts.Prefix}
	value, err := json.Marshal(mine)
	if err != nil {
		return err
	}
	if _, err = s.publish(ctx, ownKey, 0, value); !errors.Is(err, membership.ErrConflict) {
		return s.unopened(err)
	}
	e, err := s.stored(ctx, ownKey)
	if err != nil {
		return s.unopened(err)
	}
	var there own
	switch err := json.Unmarshal(e.Value, &there); {
	case e.Rev == 0: // another writes it now
		return errWait
	case err != nil:
		return fmt.Errorf("%w: bucket %s: its record %q is not readable: %v", ErrBucket, s.bucket, ownKey, err)
	case there != mine:
		return fmt.Errorf("%w: bucket %s is of prefix %q in version %d, want %q in version %d",
			ErrBucket, s.bucket, there.Prefix, there.Version, mine.Prefix, mine.Version)
	}
	return nil
}

// tooOld reports whether a server's version is below 2.11; what is no version is
// not.
func tooOld(version string) bool {
	major, rest, _ := strings.Cut(version, ".")
	minor, _, _ := strings.Cut(rest, ".")
	a, err1 := strconv.Atoi(major)
	b, err2 := strconv.Atoi(minor)
	return err1 == nil && err2 == nil && (a < 2 || a == 2 && b < 11)
}
