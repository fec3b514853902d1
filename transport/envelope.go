// Envelope, its options, its limits, Validate

package transport

import (
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/clstr-go/clstr/internal/bounds"
	"github.com/clstr-go/clstr/internal/expiry"
	"github.com/clstr-go/clstr/outcome"
)

// HeaderKey is the header under which [Envelope.GetHeader] answers with the
// key of the entity that the envelope is for. Callers cannot set it.
const HeaderKey = "x-clstr-key"

// reservedPrefix marks the headers that are the library's own.
const reservedPrefix = "x-clstr-"

// Delivery says what the sender of an envelope waits for.
type Delivery uint8

const (
	// AwaitReply is a request: the sender waits for the handler's answer.
	AwaitReply Delivery = iota
	// AwaitAccept is a notification: the sender waits until the owner has accepted the
	// message, and does not wait for the handler.
	AwaitAccept
	// AwaitNothing is a notification that is lost if the owner dies or changes
	// at that moment: the sender waits until the transport has taken it.
	AwaitNothing
)

// Envelope is the message container for cluster communication: the payload
// with its routing and metadata.
//
// The sender lends Data and Headers to the transport until its call returns, and may reuse
// them afterwards. A handler owns the envelope that it is given, and may keep or change all
// of it.
type Envelope struct {
	// Shard is the target shard number for routing.
	Shard int `json:"shard"`
	// Type is the message type name for handler dispatch.
	Type string `json:"type"`
	// Data is the encoded message payload.
	Data []byte `json:"data"`
	// Codec names how Data and the reply are encoded, unless they are protobuf messages. Empty is JSON. Clients
	// set it. A transport carries any name, and a node refuses a name that its program does not know
	// ([outcome.ErrUnknownCodec]).
	Codec string `json:"codec,omitempty"`
	// ReplyTo is the reply address, set by the transport on the node's side.
	ReplyTo string `json:"reply_to,omitempty"`
	// Headers contains custom metadata. Names that start with "x-clstr-", in
	// any letter case, are refused by Validate. The key is not among them: Key
	// has it, and GetHeader answers with it.
	Headers map[string]string `json:"headers,omitempty"`
	// TTLMs is the time-to-live in milliseconds. Zero means no expiration.
	TTLMs int64 `json:"ttl_ms,omitempty"`
	// CreatedAtMs is the creation time in milliseconds since the Unix epoch, by
	// the clock of the process that reads it: what travels between processes is
	// the time that is left. A clock that is set shows here a tenth of a second later.
	CreatedAtMs int64 `json:"created_at_ms,omitempty"`

	// Key is the entity that the message is for; empty for a message to a shard.
	// GetHeader("x-clstr-key") returns it too.
	Key string `json:"key,omitempty"`
	// Kind names the entity kind in a node that hosts several; empty for the
	// node's single handler.
	Kind string `json:"kind,omitempty"`
	// Delivery says what the sender waits for.
	Delivery Delivery `json:"delivery,omitempty"`
	// Retry says that the message was sent before and did not run. Clients set it, so that
	// nodes can count a call once.
	Retry   bool `json:"retry,omitempty"`
	unnamed bool // WithID was given an empty ID
	// NumShards is the shard count by which the sender mapped Key to Shard.
	NumShards uint32 `json:"num_shards,omitempty"`
	// Layout is the fingerprint of the sender's key-to-shard mapping (shard
	// count, seed, hash). Zero is unknown. A node with another layout refuses
	// the envelope, so that no key is ever activated in two places.
	Layout uint64 `json:"layout,omitempty"`

	// ID names the command that the message is: all tries of it have the same ID, and a key
	// whose state is durable carries it out once. Empty for a message that may run again if
	// it is sent again. [WithID] and [Once] set it.
	ID string `json:"id,omitempty"`
	// AgeMs is how old the command was at CreatedAtMs, in milliseconds: the time since its
	// first try. Age is how old it is now.
	AgeMs int64 `json:"age_ms,omitempty"`

	// What Stamp has noted: the moment by the monotonic clock, and CreatedAtMs,
	// which tells whether it still holds.
	born, bornMs int64
}

// Stamp sets CreatedAtMs to now. The time to live of an envelope that was
// stamped does not change with the wall clock. What has passed since an earlier Stamp goes
// into AgeMs.
func (e *Envelope) Stamp() {
	if e.ID != "" {
		e.AgeMs = ceilMs(e.Age())
	}
	e.born, e.CreatedAtMs = expiry.Wall()
	e.bornMs = e.CreatedAtMs
}

// stamped reports whether born is the moment of creation.
func (e *Envelope) stamped() bool { return e.born != 0 && e.bornMs == e.CreatedAtMs }

// EnvelopeOption configures envelope properties before sending. It is called for
// each call, and must not keep the pointer.
type EnvelopeOption func(*Envelope)

// WithHeader adds a custom header to the envelope. Headers with the "x-clstr-"
// prefix are reserved and will cause validation to fail.
func WithHeader(key, value string) EnvelopeOption {
	return func(e *Envelope) {
		if e.Headers == nil {
			e.Headers = make(map[string]string, 4)
		}
		e.Headers[key] = value
	}
}

// WithTTL sets the time-to-live for the envelope: a message whose handler has
// not started by then is refused with [ErrEnvelopeExpired]. Zero means none; a
// fraction of a millisecond counts as a whole one; a negative TTL is refused.
func WithTTL(ttl time.Duration) EnvelopeOption {
	return func(e *Envelope) { e.TTLMs = ceilMs(ttl) }
}

// WithoutAck makes a notification return as soon as the transport has taken
// it. An error means that it was surely not delivered; nil does not mean that
// it was. A request ignores the option.
func WithoutAck() EnvelopeOption {
	return func(e *Envelope) {
		if e.Delivery == AwaitAccept {
			e.Delivery = AwaitNothing
		}
	}
}

func ceilMs(d time.Duration) int64 {
	if d < 0 {
		return min(-1, d.Milliseconds())
	}
	ms := d.Milliseconds()
	if time.Duration(ms)*time.Millisecond < d {
		ms++
	}
	return ms
}

// GetHeader retrieves a header value by key. It returns the empty string and
// false if the header is not set.
func (e Envelope) GetHeader(key string) (string, bool) {
	if e.Key != "" && strings.EqualFold(key, HeaderKey) {
		return e.Key, true
	}
	v, ok := e.Headers[key]
	return v, ok
}

// Expired returns true if the envelope has a TTL set and has expired.
func (e Envelope) Expired() bool {
	return e.TTLMs != 0 && e.TTL() <= 0
}

// TTL returns the remaining TTL duration. It returns 0 if no TTL is set or if
// it has already expired.
func (e Envelope) TTL() time.Duration {
	if e.TTLMs <= 0 {
		return 0
	}
	left := min(e.TTLMs, expiry.Forever.Milliseconds())
	if e.stamped() {
		return max(0, time.Duration(left)*time.Millisecond-time.Duration(expiry.Now()-e.born))
	}
	if e.CreatedAtMs != 0 {
		left = min(left, max(0, left-(time.Now().UnixMilli()-e.CreatedAtMs)))
	}
	return time.Duration(left) * time.Millisecond
}

// EndOfLife is the moment of the TTL's end, for transports: nanoseconds by the monotonic
// clock of this process.
func (e *Envelope) EndOfLife() int64 {
	if e.stamped() {
		return e.born + int64(time.Duration(min(e.TTLMs, expiry.Forever.Milliseconds()))*time.Millisecond)
	}
	return expiry.Now() + int64(e.TTL())
}

// Validate checks the envelope for configuration errors. It returns
// [ErrReservedHeader] if any header uses the reserved "x-clstr-" prefix in any
// letter case, and [ErrBadEnvelope] for a shard that does not fit 32 bits, a
// negative TTL or age, an ID that was given and is empty, a type, kind, ID or codec that is not
// UTF-8, or a part over its limit.
func (e Envelope) Validate() error {
	switch {
	case e.Shard < 0 || e.Shard > math.MaxUint32:
		return outcome.Errorf(outcome.ErrBadEnvelope, "shard %d: 0 to %d allowed", e.Shard, uint32(math.MaxUint32))
	case e.TTLMs < 0:
		return outcome.Errorf(outcome.ErrBadEnvelope, "TTL of %d ms: must not be negative", e.TTLMs)
	case len(e.Key) > bounds.MaxKeyBytes:
		return outcome.Errorf(outcome.ErrBadEnvelope, "key of %d bytes: at most %d allowed", len(e.Key), bounds.MaxKeyBytes)
	case e.unnamed:
		return outcome.Errorf(outcome.ErrBadEnvelope, "ID of 0 bytes: 1 to %d allowed", bounds.MaxIDBytes)
	case e.AgeMs < 0:
		return outcome.Errorf(outcome.ErrBadEnvelope, "age of %d ms: must not be negative", e.AgeMs)
	case e.Delivery > AwaitNothing:
		return outcome.Errorf(outcome.ErrBadEnvelope, "delivery %d: 0 to %d allowed", e.Delivery, AwaitNothing)
	}
	if err := validName("type", e.Type, bounds.MaxTypeBytes); err != nil {
		return err
	}
	if err := validName("kind", e.Kind, bounds.MaxTypeBytes); err != nil {
		return err
	}
	if err := validName("ID", e.ID, bounds.MaxIDBytes); err != nil {
		return err
	}
	if err := validName("codec", e.Codec, bounds.MaxCodecBytes); err != nil {
		return err
	}
	return e.validateHeaders()
}

func validName(what, s string, most int) error {
	if len(s) > most {
		return outcome.Errorf(outcome.ErrBadEnvelope, "%s of %d bytes: at most %d allowed", what, len(s), most)
	}
	if !utf8.ValidString(s) {
		return outcome.Errorf(outcome.ErrBadEnvelope, "%s %q: must be UTF-8", what, s)
	}
	return nil
}

func (e *Envelope) validateHeaders() error {
	if len(e.Headers) == 0 {
		return nil
	}
	if len(e.Headers) > bounds.MaxHeaders {
		return outcome.Errorf(outcome.ErrBadEnvelope, "%d headers: at most %d allowed", len(e.Headers), bounds.MaxHeaders)
	}
	size := 0
	for name, value := range e.Headers {
		if reserved(name) {
			return outcome.Errorf(outcome.ErrReservedHeader, "header %q: names that start with %q are the library's own", name, reservedPrefix)
		}
		size += len(name) + len(value)
	}
	if size > bounds.MaxHeaderBytes {
		return outcome.Errorf(outcome.ErrBadEnvelope, "headers of %d bytes: at most %d allowed", size, bounds.MaxHeaderBytes)
	}
	return nil
}

func reserved(name string) bool {
	return len(name) >= len(reservedPrefix) && strings.EqualFold(name[:len(reservedPrefix)], reservedPrefix)
}
