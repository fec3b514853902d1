// Making the streams, or what is wrong with those that are there

package natsstate

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/clstr-go/clstr/outcome"
)

// streams are the two of a cluster.
type streams struct {
	names
	opts    Options
	nc      *nats.Conn
	js      jetstream.JetStream
	grouped bool // changes go together
}

// duplicates is how long the server remembers the ID of mail from outside.
const duplicates = 2 * time.Minute

// open finds the streams, or makes them. Nodes may do so at the same moment.
func (s *streams) open(ctx context.Context, atMost time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, atMost)
	defer cancel()
	if v := s.nc.ConnectedServerVersion(); tooOld(v) {
		return fmt.Errorf("%w: %s, want 2.12 or newer", ErrServerVersion, v)
	}
	for _, want := range []jetstream.StreamConfig{s.state(), s.inboxes()} {
		have, err := s.find(ctx, want)
		if errors.Is(err, ErrNoStreams) && want.Name == s.inboxStream {
			continue // a tool takes no mail, and a restored copy of the state stands alone
		}
		if err != nil {
			return s.unopened(want.Name, err)
		}
		if wrong := differences(have, want, s.opts); len(wrong) > 0 {
			return fmt.Errorf("%w: stream %s: %s", ErrStream, want.Name, strings.Join(wrong, "; "))
		}
		if want.AllowAtomicPublish {
			s.grouped = have.Replicas > 1 || have.Storage == jetstream.MemoryStorage
		}
	}
	return nil
}

func (s *streams) find(ctx context.Context, want jetstream.StreamConfig) (jetstream.StreamConfig, error) {
	there, err := s.js.Stream(ctx, want.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		if s.opts.Existing {
			return want, fmt.Errorf("%w: there is no stream %s", ErrNoStreams, want.Name)
		}
		there, err = s.make(ctx, want)
	}
	if err != nil {
		return want, err
	}
	return there.CachedInfo().Config, nil
}

func (s *streams) make(ctx context.Context, want jetstream.StreamConfig) (jetstream.Stream, error) {
	made, err := s.js.CreateStream(ctx, want)
	if code(err) == codeNoCluster && s.opts.Replicas == 0 {
		want.Replicas = 1
		made, err = s.js.CreateStream(ctx, want)
	}
	if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) || code(err) == codeNameInUse { // another node was faster
		return s.js.Stream(ctx, want.Name)
	}
	return made, err
}

// config is what both streams have in common.
func (s *streams) config(name, description, subjects, seen string) jetstream.StreamConfig {
	c := jetstream.StreamConfig{
		Name: name, Description: description + " of the clstr cluster " + s.opts.Prefix,
		Subjects: []string{subjects + ">"}, Storage: jetstream.FileStorage, Replicas: s.opts.Replicas,
		MaxMsgs: -1, MaxBytes: s.opts.MaxBytes, MaxMsgSize: -1, MaxMsgsPerSubject: -1, MaxConsumers: -1,
		Discard: jetstream.DiscardNew, AllowDirect: true, Duplicates: duplicates,
		RePublish: &jetstream.RePublish{Source: subjects + ">", Destination: seen + ">"},
	}
	if c.Replicas == 0 {
		c.Replicas = 1
		if s.nc.ConnectedClusterName() != "" {
			c.Replicas = 3
		}
	}
	if s.opts.Memory {
		c.Storage = jetstream.MemoryStorage
	}
	return c
}

func (s *streams) state() jetstream.StreamConfig {
	c := s.config(s.stateStream, "what entities remember", s.data, s.dataSeen)
	c.AllowRollup, c.AllowMsgTTL, c.AllowAtomicPublish = true, true, true
	return c
}

func (s *streams) inboxes() jetstream.StreamConfig {
	return s.config(s.inboxStream, "mail from clients", s.inbox, s.inboxSeen)
}

// differences lists why a stream cannot serve.
func differences(have, want jetstream.StreamConfig, o Options) (wrong []string) {
	must := func(ok bool, format string, args ...any) {
		if !ok {
			wrong = append(wrong, fmt.Sprintf(format, args...))
		}
	}
	must(len(have.Subjects) == 1 && have.Subjects[0] == want.Subjects[0], "subjects %q, want %q", have.Subjects, want.Subjects)
	r := have.RePublish
	if r == nil {
		r = &jetstream.RePublish{}
	}
	must(r.Source == want.RePublish.Source && r.Destination == want.RePublish.Destination && !r.HeadersOnly,
		"it republishes %q to %q (headers only: %v), want %q to %q with bodies", r.Source, r.Destination, r.HeadersOnly, want.RePublish.Source, want.RePublish.Destination)
	must(have.MaxAge == 0, "messages end after %v, want never", have.MaxAge)
	must(have.MaxMsgsPerSubject <= 0, "%d messages a subject, want no bound", have.MaxMsgsPerSubject)
	must(have.Discard == jetstream.DiscardNew || have.MaxMsgs <= 0 && have.MaxBytes <= 0, "old messages make room for new ones, want refusal (discard new)")
	must(have.Retention == jetstream.LimitsPolicy, "retention %v, want limits", have.Retention)
	must(have.AllowDirect, "no direct gets, want them allowed")
	must(!have.DenyDelete, "messages cannot be deleted, want them to be")
	must(have.Mirror == nil && len(have.Sources) == 0 && have.SubjectTransform == nil, "it has a mirror, sources or a transform, want none")
	must(!have.Sealed && !have.NoAck, "it is sealed (%v) or does not acknowledge (%v)", have.Sealed, have.NoAck)
	must(o.Memory || o.Existing || have.Storage == jetstream.FileStorage, "storage %v, want file, or say Memory", have.Storage)
	must(o.Replicas == 0 || o.Replicas == have.Replicas, "replicas %d, want %d", have.Replicas, o.Replicas)
	for _, may := range []struct {
		what       string
		have, want bool
	}{
		{"rollup", have.AllowRollup, want.AllowRollup},
		{"a TTL of a message", have.AllowMsgTTL, want.AllowMsgTTL},
		{"atomic batches", have.AllowAtomicPublish, want.AllowAtomicPublish},
		// A user that may publish one subject writes every other with it.
		{"schedules", have.AllowMsgSchedules, false},
	} {
		must(may.have == may.want, "%s: %v, want %v", may.what, may.have, may.want)
	}
	return wrong
}

// unopened says whether to wait.
func (s *streams) unopened(name string, err error) error {
	enabled, _ := s.nc.ConnectedServerJetStream()
	alone := !enabled && s.nc.ConnectedClusterName() == ""
	switch last := s.nc.LastError(); {
	case errors.Is(err, nats.ErrNoResponders) && alone, errors.Is(err, jetstream.ErrJetStreamNotEnabled) && alone,
		errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount), code(err) == codeNotEnabled, code(err) == codeNotEnabledAccount:
		return fmt.Errorf("%w: %v", ErrNoJetStream, err)
	case errors.Is(err, context.DeadlineExceeded) && errors.Is(last, nats.ErrPermissionViolation):
		return outcome.Errorf(outcome.ErrNotPermitted, "stream %s: %v", name, last)
	case code(err) == codeNoPeers:
		return fmt.Errorf("%w for %d servers with JetStream, or say Replicas: %w", errWait, s.state().Replicas, err)
	case code(err) == codeStreamNotFound, code(err) == codeNotAvailable, errors.Is(err, nats.ErrNoResponders),
		errors.Is(err, nats.ErrTimeout), errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrConnectionReconnecting), errors.Is(err, nats.ErrDisconnected),
		errors.Is(err, nats.ErrReconnectBufExceeded): // without a connection nothing is kept to be sent later
		return fmt.Errorf("%w for JetStream to serve stream %s: %w", errWait, name, err)
	case code(err) != 0:
		return fmt.Errorf("%w: stream %s: %w", ErrStream, name, err)
	}
	return err
}

// tooOld reports whether a server's version is below 2.12; what is no version is
// not.
func tooOld(version string) bool {
	major, rest, _ := strings.Cut(version, ".")
	minor, _, _ := strings.Cut(rest, ".")
	a, err1 := strconv.Atoi(major)
	b, err2 := strconv.Atoi(minor)
	return err1 == nil && err2 == nil && (a < 2 || a == 2 && b < 12)
}
