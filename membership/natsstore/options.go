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

// Options configures a store. URL is required.
type Options struct {
	// URL is the address to connect to, as for nats.Connect. Several servers are
	// separated by commas.
	URL string
	// Name names the store's connection at the server: give it the node's ID. At most
	// 256 bytes. Empty = the names of the program and of the host.
	Name string
	// NATSOptions are added to those of the store's connection: credentials, TLS,
	// names, handlers. Any option of nats.go is allowed except nats.ReconnectBufSize.
	NATSOptions []nats.Option
	// Prefix separates the clusters of one NATS account. Give the transport the same.
	// It is tokens of letters, digits, - and _, separated by dots. Empty = "clstr".
	Prefix string
	// Replicas is the number of replicas of a bucket that Open makes, 1 to 5. 0 = 3 if
	// the servers are clustered, and 1 if not. If it is set, an existing bucket must
	// have as many.
	Replicas int
	// Memory keeps the records of a bucket that Open makes in the servers' memory, and
	// loses them with the servers. It is for tests.
	Memory bool
	// Log gets what concerns no single caller. nil = slog.Default().
	Log *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.Prefix == "" {
		o.Prefix = natsdial.DefaultPrefix
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

// bucketOf names the bucket of a cluster. The prefixes a.b and a_b give the same name.
// The second cluster notices by the subjects in the bucket's configuration.
func bucketOf(prefix string) string { return strings.ReplaceAll(prefix, ".", "_") + "_members" }

func streamOf(bucket string) string   { return "KV_" + bucket }
func subjectsOf(bucket string) string { return "$KV." + bucket + "." }
func eventsOf(prefix string) string   { return prefix + ".ev." }
func inboxesOf(prefix string) string  { return prefix + ".ctl" }

// checkKey refuses a key that a bucket cannot have.
func checkKey(key string) error {
	ok := func(r rune) bool { return plain(r) || r == '=' || r == '.' || r == '/' }
	tokens := strings.Split(key, ".")
	if slices.Contains(tokens, "") || strings.ContainsFunc(key, func(r rune) bool { return !ok(r) }) || key == ownKey {
		return outcome.Errorf(outcome.ErrBadOption, "key %q of a record", key)
	}
	return nil
}

// Permissions are the subjects that a NATS user may use.
type Permissions struct{ Publish, Subscribe []string }

// ControlPermissions returns what the user of a cluster's stores needs. No other user
// should have it. An empty prefix is "clstr". If the connection sets
// nats.CustomInboxPrefix, that takes the place of <prefix>.ctl.
func ControlPermissions(prefix string) Permissions {
	if prefix == "" {
		prefix = natsdial.DefaultPrefix
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

// The subjects of JetStream's requests, without the stream's name.
const (
	apiInfo   = "$JS.API.STREAM.INFO."
	apiCreate = "$JS.API.STREAM.CREATE."
	apiGet    = "$JS.API.STREAM.MSG.GET."
	apiDirect = "$JS.API.DIRECT.GET."
)
