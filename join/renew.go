// SPDX-License-Identifier: Apache-2.0

package join

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"time"
)

// When certificates are renewed, and how often that is tried.
const (
	renewAt    = 2. / 3 // of a certificate's life
	renewSpan  = .1     // of it, by which hosts differ so that they do not come all at once
	retryFirst = time.Minute
	retryMost  = 10 * time.Minute
	lookEvery  = time.Minute // at the clock, which may be set meanwhile
)

// Run renews the certificate in good time until ctx ends, and returns its cause.
// While that fails it goes on trying and says why; enforcement does not depend on
// it.
func (i *Identity) Run(ctx context.Context) error {
	due := i.due()
	for pause := retryFirst; ; {
		wait := min(due.Sub(i.clock.Now()), lookEvery)
		if wait > 0 {
			select {
			case <-i.clock.After(wait):
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			continue
		}
		err := i.Renew(ctx)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err == nil {
			due, pause = i.due(), retryFirst
			continue
		}
		i.log.Error("cannot renew the certificate of this host; trying again", "host", i.Host(), "expires", i.current().cert.Leaf.NotAfter, "error", err)
		due = i.clock.Now().Add(spread(pause))
		pause = min(2*pause, retryMost)
	}
}

// due returns when the certificate is to be renewed.
func (i *Identity) due() time.Time {
	leaf := i.current().cert.Leaf
	life := leaf.NotAfter.Sub(leaf.NotBefore)
	return leaf.NotBefore.Add(time.Duration(float64(life) * (renewAt - renewSpan*rand.Float64())))
}

// spread returns a duration near d.
func spread(d time.Duration) time.Duration {
	return d/2 + rand.N(d)
}

// Renew gets a new certificate for a new key, now.
//
// Errors: *Refused; no server that answers. The identity is then as it was.
func (i *Identity) Renew(ctx context.Context) error {
	key, err := newKey()
	if err != nil {
		return err
	}
	request, err := newRequest(key)
	if err != nil {
		return err
	}
	was := i.current()
	client := newClient(i.DialTLS)
	defer client.CloseIdleConnections()
	said, err := ask(ctx, client, was.from.Servers, renewPath, renewRequest{Underlay: was.from.Underlay, Request: request})
	if err != nil {
		return fmt.Errorf("renew the certificate of %s: %w", was.host, i.Explain(ctx, err))
	}
	next, err := said.identity(was.from, was.host, key)
	if err != nil {
		return fmt.Errorf("renew the certificate of %s: %w", was.host, err)
	}
	return i.replace(next)
}

// Explain returns what a server says of the certificate if that may be why a
// connection failed, as a *Refused; otherwise err. A handshake that is refused
// gives no reason.
func (i *Identity) Explain(ctx context.Context, err error) error {
	var refused *Refused
	var alert net.Error
	if errors.As(err, &refused) || errors.As(err, &alert) && alert.Timeout() || ctx.Err() != nil {
		return err
	}
	client := newClient(func(ctx context.Context, network, address string) (net.Conn, error) {
		cfg := i.ClientTLS()
		cfg.Certificates = nil
		return dialTLS(ctx, network, address, cfg)
	})
	defer client.CloseIdleConnections()
	now := i.current()
	_, said := ask(ctx, client, now.from.Servers, checkPath, checkRequest{Certificate: now.cert.Leaf.Raw})
	if errors.As(said, &refused) {
		return refused
	}
	return err
}
