// Options, the names of bucket and subjects, ControlPermissions

package natsstore

import (
	"log/slog"
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

// store is what natsdial must know of the store.
func (o Options) store() natsdial.Store {
	return natsdial.Store{URL: o.URL, Name: o.Name, Prefix: o.Prefix, Replicas: o.Replicas, Options: o.NATSOptions, What: "membership", Inbox: inboxesOf(o.Prefix)}
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
	for token := range strings.SplitSeq(key, ".") {
		if letters := strings.NewReplacer("=", "-", "/", "-").Replace(token); !natsdial.Plain(letters) || key == ownKey {
			return outcome.Errorf(outcome.ErrBadOption, "key %q of a record", key)
		}
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
