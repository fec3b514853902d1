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

// ownKey is the key of the record that says which cluster the bucket belongs to.
const ownKey = "bucket"

// own is that record.
type own struct {
	Version int    `json:"v"`
	Prefix  string `json:"prefix"`
}

// bucket knows what the stream must be like, and makes it.
type bucket struct {
	*stream
	events string // where the servers publish what was written: before a record's key
}

// open finds the bucket, or makes it. Several nodes may do that at the same moment.
func (b *bucket) open(ctx context.Context, atMost time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, atMost)
	defer cancel()
	if v := b.nc.ConnectedServerVersion(); tooOld(v) {
		return fmt.Errorf("%w: %s, want 2.11 or newer", ErrServerVersion, v)
	}
	info, err := b.info(ctx)
	if is(err, codeStreamNotFound) {
		info, err = b.create(ctx)
		if is(err, codeNameInUse) { // another node was faster
			info, err = b.info(ctx)
		}
		if errors.Is(err, outcome.ErrNotPermitted) {
			return fmt.Errorf("%w; make bucket %s with: %s", err, b.bucket, b.command())
		}
	}
	if err != nil {
		return b.unopened(err)
	}
	if wrong := b.differences(info.Config); len(wrong) > 0 {
		return fmt.Errorf("%w: bucket %s: %s", ErrBucket, b.bucket, strings.Join(wrong, "; "))
	}
	return b.sign(ctx)
}

func is(err error, code int) bool {
	var e *apiError
	return errors.As(err, &e) && e.ErrCode == code
}

// unopened says whether an error of open is one to wait for.
func (b *bucket) unopened(err error) error {
	if errors.Is(err, errUnheard) && b.nc.IsConnected() && !b.mayHaveJetStream() {
		return fmt.Errorf("%w: no server answers its requests", ErrNoJetStream)
	}
	if is(err, codeStreamNotFound) || errors.Is(err, membership.ErrNoRecords) { // it was there, or was made, a moment ago
		return fmt.Errorf("%w for servers that know bucket %s: %w", errWait, b.bucket, err)
	}
	var e *apiError
	if !errors.As(err, &e) {
		return err
	}
	switch {
	case e.ErrCode == codeNotEnabled || e.ErrCode == codeNotEnabledAccount:
		return fmt.Errorf("%w: %v", ErrNoJetStream, e)
	case e.ErrCode == codeNoPeers:
		return fmt.Errorf("%w for %d servers with JetStream, or set Replicas: %w", errWait, b.replicas(), e)
	case e.ErrCode == codeNotAvailable || e.Code == 503:
		return fmt.Errorf("%w for JetStream's leader: %w", errWait, e)
	}
	return fmt.Errorf("%w: bucket %s: %w", ErrBucket, b.bucket, e)
}

// mayHaveJetStream reports whether the server has JetStream, or others may have it for
// this one.
func (b *bucket) mayHaveJetStream() bool {
	enabled, _ := b.nc.ConnectedServerJetStream()
	return enabled || b.nc.ConnectedClusterName() != ""
}

func (b *bucket) replicas() int {
	switch {
	case b.opts.Replicas > 0:
		return b.opts.Replicas
	case b.nc.ConnectedClusterName() != "":
		return 3
	}
	return 1
}

func (b *bucket) create(ctx context.Context) (*jetstream.StreamInfo, error) {
	cfg := jetstream.StreamConfig{
		Name:              b.name,
		Description:       "members and shards of the clstr cluster " + b.opts.Prefix,
		Subjects:          []string{b.subjects + ">"},
		Storage:           jetstream.FileStorage,
		Replicas:          b.replicas(),
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
		RePublish:         &jetstream.RePublish{Source: b.subjects + ">", Destination: b.events + ">"},
	}
	if b.opts.Memory {
		cfg.Storage = jetstream.MemoryStorage
	}
	made, err := b.make(ctx, cfg)
	if is(err, codeNoCluster) && b.opts.Replicas == 0 {
		cfg.Replicas = 1
		made, err = b.make(ctx, cfg)
	}
	return made, err
}

func (b *bucket) make(ctx context.Context, cfg jetstream.StreamConfig) (*jetstream.StreamInfo, error) {
	ctx, done := b.hear(ctx, apiCreate+b.name)
	defer done()
	made, err := b.js.CreateStream(ctx, cfg)
	if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
		return nil, &apiError{ErrCode: codeNameInUse}
	}
	if err != nil {
		return nil, b.mapped(ctx, api(err))
	}
	return made.CachedInfo(), nil
}

// command returns the command of the nats tool that makes the bucket.
func (b *bucket) command() string {
	return "nats kv add " + b.bucket + " --history 1 --replicas " + strconv.Itoa(b.replicas()) + " --marker-ttl 1m" +
		" --republish-source '" + b.subjects + ">' --republish-destination '" + b.events + ">'"
}

// differences lists the reasons why a bucket cannot serve.
func (b *bucket) differences(have jetstream.StreamConfig) (wrong []string) {
	want := func(ok bool, format string, args ...any) {
		if !ok {
			wrong = append(wrong, fmt.Sprintf(format, args...))
		}
	}
	subjects := b.subjects + ">"
	want(len(have.Subjects) == 1 && have.Subjects[0] == subjects, "subjects %q, want %q", have.Subjects, subjects)
	r := have.RePublish
	if r == nil {
		r = &jetstream.RePublish{}
	}
	want(r.Source == subjects && r.Destination == b.events+">" && !r.HeadersOnly,
		"it republishes %q to %q (headers only: %v), want %q to %q with values", r.Source, r.Destination, r.HeadersOnly, subjects, b.events+">")
	want(have.MaxMsgsPerSubject == 1, "history %d, want 1", have.MaxMsgsPerSubject)
	want(have.MaxAge == 0, "records end after %v, want never", have.MaxAge)
	want(have.Discard == jetstream.DiscardNew || have.MaxMsgs <= 0 && have.MaxBytes <= 0, "old records make room for new ones, want refusal (discard new)")
	want(have.AllowDirect, "no direct gets, want them allowed")
	want(have.AllowMsgTTL, "no TTL of a message, want it allowed (--marker-ttl)")
	want(have.Mirror == nil && len(have.Sources) == 0 && have.SubjectTransform == nil, "it has a mirror, sources or a transform, want none")
	want(!have.Sealed && !have.NoAck, "it is sealed (%v) or does not acknowledge (%v)", have.Sealed, have.NoAck)
	want(b.opts.Memory || have.Storage == jetstream.FileStorage, "storage %v, want file, or set Memory", have.Storage)
	want(b.opts.Replicas == 0 || b.opts.Replicas == have.Replicas, "replicas %d, want %d", have.Replicas, b.opts.Replicas)
	return wrong
}

// sign writes the store's own record, or reads it. Once that works, the bucket has a
// leader.
func (b *bucket) sign(ctx context.Context) error {
	mine := own{Version: 1, Prefix: b.opts.Prefix}
	value, err := json.Marshal(mine)
	if err != nil {
		return err
	}
	if _, err = b.publish(ctx, ownKey, 0, value); !errors.Is(err, membership.ErrConflict) {
		return b.unopened(err)
	}
	e, err := b.stored(ctx, ownKey)
	if err != nil {
		return b.unopened(err)
	}
	var there own
	switch err := json.Unmarshal(e.Value, &there); {
	case e.Rev == 0: // another writes it now
		return errWait
	case err != nil:
		return fmt.Errorf("%w: bucket %s: its record %q is not readable: %v", ErrBucket, b.bucket, ownKey, err)
	case there != mine:
		return fmt.Errorf("%w: bucket %s belongs to prefix %q in version %d, want %q in version %d",
			ErrBucket, b.bucket, there.Prefix, there.Version, mine.Prefix, mine.Version)
	}
	return nil
}

// tooOld reports whether a server's version is below 2.11. Text that is no version
// counts as new enough.
func tooOld(version string) bool {
	major, rest, _ := strings.Cut(version, ".")
	minor, _, _ := strings.Cut(rest, ".")
	a, err1 := strconv.Atoi(major)
	b, err2 := strconv.Atoi(minor)
	return err1 == nil && err2 == nil && (a < 2 || a == 2 && b < 11)
}
