// Options, the names of bucket and subjects, ControlPermissions

package natsstore

import (
	"log/slog"
	"slices"
	"strings"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/internal/natsdial"
	"github.com/clstr-go/clstr/internal/sparse"
	"github.com/clstr-go/clstr/outcome"
)

// DefaultPrefix is the first token of a cluster's subjects.
const DefaultPrefix = "clstr"

// Options configures a store. URL is required.
type Options struct {
	// URL is where to connect to, in the form of nats.Connect: several servers
	// are separated by commas.
	URL string
	// Name is what the server knows the store's connection by: give it the node's
	// ID. At most 256 bytes. Empty = the program's name and the host's.
	Name string
	// NATSOptions are added to the store's connection: credentials, TLS, names,
	// handlers, anything of nats.go but nats.ReconnectBufSize.
	NATSOptions []nats.Option
	// Prefix separates the clusters of one NATS account. Give the transport the same.
	// Tokens of letters, digits, - and _, separated by dots. Empty = "clstr".
	Prefix string
	// Replicas of a bucket that Open makes, 1 to 5. 0 = 3 where the servers are
	// clustered, else 1. A bucket that is there must have as many, if given.
	Replicas int
	// Memory keeps the records of a bucket that Open makes in the memory of the
	// servers: they are gone with those. For tests.
	Memory bool
	// Log gets what has no caller to tell. nil = slog.Default().
	Log *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.Prefix == "" {
		o.Prefix = DefaultPrefix
	}
	o.Log = sparse.New(o.Log)
	return o
}

func (o Options) validate() error {
	switch {
	case o.URL == "":
		return outcome.Errorf(outcome.ErrBadOption, "URL is required")
	case len(o.Name) > natsdial.MaxName:
		return outcome.Errorf(outcome.ErrBadOption, "Name of %d bytes: at most %d allowed", len(o.Name), natsdial.MaxName)
	case o.Replicas < 0 || o.Replicas > 5:
		return outcome.Errorf(outcome.ErrBadOption, "Replicas %d: 1 to 5, or 0 for as many as fit", o.Replicas)
	}
	for token := range strings.SplitSeq(o.Prefix, ".") {
		if token == "" || token == "_INBOX" || strings.ContainsFunc(token, func(r rune) bool { return !plain(r) }) {
			return outcome.Errorf(outcome.ErrBadOption, "Prefix %q: tokens of letters, digits, - and _, separated by dots, and not _INBOX", o.Prefix)
		}
	}
	return nil
}

func plain(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_'
}

// bucketOf names the bucket of a cluster. The prefixes a.b and a_b have one name,
// and the second to come finds the first's events in its configuration.
func bucketOf(prefix string) string { return strings.ReplaceAll(prefix, ".", "_") + "_members" }

func streamOf(bucket string) string   { return "KV_" + bucket }
func subjectsOf(bucket string) string { return "$KV." + bucket + "." }
func eventsOf(prefix string) string   { return prefix + ".ev." }
func inboxesOf(prefix string) string  { return prefix + ".ctl" }

// checkKey refuses what is no key of a bucket.
func checkKey(key string) error {
	ok := func(r rune) bool { return plain(r) || r == '=' || r == '.' || r == '/' }
	tokens := strings.Split(key, ".")
	if slices.Contains(tokens, "") || strings.ContainsFunc(key, func(r rune) bool { return !ok(r) }) || key == ownKey {
		return outcome.Errorf(outcome.ErrBadOption, "key %q of a record", key)
	}
	return nil
}

// Permissions are the subjects that a user of NATS may use.
type Permissions struct{ Publish, Subscribe []string }

// ControlPermissions returns what the user of the stores of a cluster needs, and
// nobody else should have. An empty prefix is "clstr". A connection with another
// nats.CustomInboxPrefix needs that in place of <prefix>.ctl.
func ControlPermissions(prefix string) Permissions {
	if prefix == "" {
		prefix = DefaultPrefix
	}
	bucket := bucketOf(prefix)
	stream := streamOf(bucket)
	return Permissions{
		Publish: []string{
			subjectsOf(bucket) + ">",
			apiInfo + stream,
			apiCreate + stream,
			apiGet + stream,
			apiDirect + stream,
		},
		Subscribe: []string{eventsOf(prefix) + ">", inboxesOf(prefix) + ".>"},
	}
}

// Where JetStream takes requests, without the stream's name.
const (
	apiInfo   = "$JS.API.STREAM.INFO."
	apiCreate = "$JS.API.STREAM.CREATE."
	apiGet    = "$JS.API.STREAM.MSG.GET."
	apiDirect = "$JS.API.DIRECT.GET."
)
