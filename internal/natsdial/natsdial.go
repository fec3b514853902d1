// How a connection to NATS is made and named

package natsdial

import (
	"cmp"
	"context"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/nats-io/nats.go"
)

// DefaultPrefix is the prefix of a cluster whose options name none, of its subjects, bucket
// and streams.
const DefaultPrefix = "clstr"

// Dial is nats.Connect that ends with its context.
func Dial(ctx context.Context, url string, options []nats.Option) (*nats.Conn, error) {
	type result struct {
		nc  *nats.Conn
		err error
	}
	dialed := make(chan result)
	go func() { // ends with the connection's timeout for each server
		nc, err := nats.Connect(url, append(options[:len(options):len(options)], directly)...)
		select {
		case dialed <- result{nc, err}:
		case <-ctx.Done(): // the caller has gone
			if nc != nil {
				nc.Close()
			}
		}
	}()
	select {
	case r := <-dialed:
		return r.nc, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// MaxName is how many bytes a given name may have: the server sends it with each
// report of its connections.
const MaxName = 256

// Name is what the server shows to operators: the given name, or the program's and the
// host's.
func Name(given string) string {
	if given != "" {
		return "clstr " + given
	}
	name := "clstr " + filepath.Base(os.Args[0])
	if host, err := os.Hostname(); err == nil {
		name += "@" + host
	}
	return name
}

// Redact keeps passwords out of errors.
func Redact(servers string) string {
	if at := strings.LastIndexByte(servers, '@'); at >= 0 {
		return "..." + servers[at:]
	}
	return servers
}

// Refused reports whether a server does not let a user in.
func Refused(err error) bool {
	return errors.Is(err, nats.ErrAuthorization) || errors.Is(err, nats.ErrAuthExpired) || errors.Is(err, nats.ErrAuthRevoked) || errors.Is(err, nats.ErrAccountAuthExpired)
}

// Servers returns where to connect to in place of a connection: what was configured, and what its server has told of.
func Servers(configured string, nc *nats.Conn) string {
	all := strings.Split(configured, ",")
	var user *url.Userinfo // nats.go gives it to servers that it is told of too
	if u, err := url.Parse(nc.ConnectedUrl()); err == nil {
		user = u.User
	}
	for _, s := range nc.DiscoveredServers() {
		if u, err := url.Parse(s); err == nil {
			u.User = cmp.Or(u.User, user)
			all = append(all, u.String())
		}
	}
	return strings.Join(all, ",")
}
