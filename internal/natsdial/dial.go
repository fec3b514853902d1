// The dialer of direct connections

package natsdial

import (
	"cmp"
	"math/rand/v2"
	"net"
	"time"

	"github.com/nats-io/nats.go"
)

// directly has nats.go dial direct connections, unless the options before it say how to dial. It must be the last option.
func directly(o *nats.Options) error {
	if o.CustomDialer == nil && o.Dialer == nil && o.InProcessServer == nil && o.AllowMultipathTCP == nil {
		o.CustomDialer = &dialer{timeout: cmp.Or(o.Timeout, nats.DefaultTimeout), asGiven: o.SkipHostLookup, inOrder: o.NoRandomize}
		o.SkipHostLookup = true // the dialer does it
	}
	return nil
}

// dialer dials as nats.go does without a dialer of its user: all addresses of a name, in a random order, within one timeout.
type dialer struct {
	timeout          time.Duration
	asGiven, inOrder bool
}

// Dial implements [nats.CustomDialer].
func (d *dialer) Dial(network, address string) (c net.Conn, err error) {
	all := d.addresses(address)
	for _, a := range all {
		if c, err = net.DialTimeout(network, a, d.timeout/time.Duration(len(all))); err == nil {
			if tcp, ok := c.(*net.TCPConn); ok {
				return newDirect(tcp)
			}
			return c, nil
		}
	}
	return nil, err
}

// addresses returns the addresses of a name. What is no name, or is not found, it returns as it is.
func (d *dialer) addresses(address string) (all []string) {
	host, port, err := net.SplitHostPort(address)
	if err == nil && !d.asGiven && net.ParseIP(host) == nil {
		found, _ := net.LookupHost(host)
		for _, f := range found {
			all = append(all, net.JoinHostPort(f, port))
		}
	}
	if len(all) == 0 {
		return []string{address}
	}
	if !d.inOrder {
		rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	}
	return all
}
