// SPDX-License-Identifier: Apache-2.0

package join

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/hedgeward/hedgeward/internal/clock"
)

// identityFile is where a host keeps what it is, in its state folder. Who can
// read it is the host.
const identityFile = "identity.json"

const maxIdentity = 256 << 10 // bytes

// stored is the identity as it is kept. Key and certificate are one file, so that
// at every moment they belong together.
type stored struct {
	Servers     []string   `json:"servers"` // URLs
	Underlay    netip.Addr `json:"underlay,omitzero"`
	Certificate []byte     `json:"certificate"` // DER
	Key         []byte     `json:"key"`         // PKCS #8
	Authorities [][]byte   `json:"authorities"` // the newest last
}

// credentials are an identity that was checked to fit together.
type credentials struct {
	host  string
	cert  tls.Certificate // with its Leaf
	roots *x509.CertPool
	name  string // that a server must have
	from  stored
}

// errIdentity says what to do about an identity that cannot be used.
var errIdentity = errors.New("make a token with --name NAME --rejoin on a server, and run: hedgeward-agent join")

// read checks that an identity is whole: the key is the certificate's, which is a
// host's and signed by one of the authorities. Whether it has expired is not
// looked at: an expired host still enforces what it was told.
func (s *stored) read() (*credentials, error) {
	c := &credentials{from: *s, roots: x509.NewCertPool()}
	if len(s.Servers) == 0 || len(s.Authorities) == 0 {
		return nil, errors.New("it names no server or no authority")
	}
	for _, server := range s.Servers {
		if err := checkServer(server); err != nil {
			return nil, err
		}
	}
	for _, der := range s.Authorities {
		a, err := x509.ParseCertificate(der)
		if err != nil || !a.IsCA {
			return nil, errors.New("an authority in it is none")
		}
		c.roots.AddCert(a)
		c.name = serverName(authorityID(der))
	}
	leaf, err := x509.ParseCertificate(s.Certificate)
	if err != nil {
		return nil, errors.New("the certificate in it is none")
	}
	if c.host, err = hostOf(leaf); err != nil {
		return nil, err
	}
	_, err = leaf.Verify(x509.VerifyOptions{Roots: c.roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, CurrentTime: leaf.NotAfter})
	if err != nil {
		return nil, fmt.Errorf("its certificate is not of its authorities: %w", err)
	}
	key, err := x509.ParsePKCS8PrivateKey(s.Key)
	if err != nil {
		return nil, errors.New("the key in it is none")
	}
	if own, ok := key.(*ecdsa.PrivateKey); !ok || !own.PublicKey.Equal(leaf.PublicKey) {
		return nil, errors.New("the key in it is not the certificate's")
	}
	c.cert = tls.Certificate{Certificate: [][]byte{s.Certificate}, PrivateKey: key, Leaf: leaf}
	return c, nil
}

// parseIdentity reads what is in the file.
func parseIdentity(b []byte) (*credentials, error) {
	s := new(stored)
	if err := json.NewDecoder(bytes.NewReader(b)).Decode(s); err != nil {
		return nil, errors.New("it is damaged")
	}
	return s.read()
}

func checkServer(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Path != "" && u.Path != "/" {
		return fmt.Errorf("%q is not the address of a server; it has the form https://HOST:PORT", text)
	}
	return nil
}

// Identity is what a machine is as a host: its certificate, its key, whom it
// believes and where the servers are. It is safe for concurrent use.
type Identity struct {
	dir   string
	clock clock.Clock
	log   *slog.Logger

	mu      sync.Mutex
	now     *credentials
	changed chan struct{} // closed and replaced whenever now is
}

// LoadIdentity reads the identity in a state folder.
//
// Errors: fs.ErrNotExist when the machine has not joined; a file that others can
// read, or that does not fit together.
func LoadIdentity(dir string, c clock.Clock, log *slog.Logger) (*Identity, error) {
	path := filepath.Join(dir, identityFile)
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the identity of this host: %w; to make this machine a host: hedgeward-agent join", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read the identity of this host: %w", err)
	}
	if open := info.Mode().Perm() & 0o077; open != 0 {
		return nil, fmt.Errorf("the identity %s can be used by others than its owner (mode %04o), who may have it: %w; then: chmod 600 %[1]s", path, info.Mode().Perm(), errIdentity)
	}
	if info.Size() > maxIdentity {
		return nil, fmt.Errorf("the identity %s is longer than %d bytes: %w", path, maxIdentity, errIdentity)
	}
	b := make([]byte, info.Size())
	if _, err := f.ReadAt(b, 0); err != nil {
		return nil, fmt.Errorf("read the identity of this host: %w", err)
	}
	now, err := parseIdentity(b)
	if err != nil {
		return nil, fmt.Errorf("the identity %s cannot be used, %v: %w", path, err, errIdentity)
	}
	return newIdentity(dir, now, c, log), nil
}

func newIdentity(dir string, now *credentials, c clock.Clock, log *slog.Logger) *Identity {
	return &Identity{dir: dir, clock: c, log: log, now: now, changed: make(chan struct{})}
}

// Host returns the name of the host.
func (i *Identity) Host() string { return i.current().host }

// Servers returns the URLs of the servers, as they were given.
func (i *Identity) Servers() []string { return slices.Clone(i.current().from.Servers) }

// Underlay returns the address at which other hosts reach this one, zero for none.
func (i *Identity) Underlay() netip.Addr { return i.current().from.Underlay }

// Expires returns until when the newest certificate is valid.
func (i *Identity) Expires() time.Time { return i.current().cert.Leaf.NotAfter }

// Changed returns a channel that is closed when there is a newer certificate than
// now: long connections are made anew with it at leisure, before the old one
// expires.
func (i *Identity) Changed() <-chan struct{} {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.changed
}

func (i *Identity) current() *credentials {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.now
}

// replace keeps a newer identity, on the disk first.
func (i *Identity) replace(next *credentials) error {
	if err := next.from.save(i.dir); err != nil {
		return err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.now = next
	close(i.changed)
	i.changed = make(chan struct{})
	return nil
}

// save puts an identity in place, whole and on the disk. What was there before
// is gone: the key of an old certificate is of no use any more.
func (s *stored) save(dir string) error {
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the state folder: %w; choose another with --state", err)
	}
	path := filepath.Join(dir, identityFile)
	next := path + ".new"
	if err := os.Remove(next); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("keep the identity of this host: %w", err)
	}
	f, err := os.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("keep the identity of this host: %w", err)
	}
	_, err = f.Write(append(b, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(next, path)
	}
	if err != nil {
		return fmt.Errorf("keep the identity of this host: %w; free space or choose another folder with --state", err)
	}
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
