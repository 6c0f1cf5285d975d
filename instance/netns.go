// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// RouterMAC is the address of the host's end of every interface: the router, as
// instances see it. Programs answer ARP and neighbour discovery with it.
var RouterMAC = net.HardwareAddr{0x02, 0x48, 0x47, 0x00, 0x00, 0x01}

// Config is what a driver needs to know. Only StateDir must be set.
type Config struct {
	StateDir  string           // its instances/<id>/ holds an instance's user data and logs
	RouterMAC net.HardwareAddr // nil means RouterMAC
	MTU       int              // of both ends of an interface; zero means 9001; EnsureOverlay makes it what fits
	StopGrace time.Duration    // between TERM and KILL for programs inside; zero means 2 s
	Log       *slog.Logger     // nil discards
}

// Netns makes instances out of network namespaces. Its methods may be called at
// the same time; those for one instance take turns.
type Netns struct {
	cfg Config

	mu      sync.Mutex
	mtu     int                 // of interfaces, between hosts; 0: Config.MTU
	busy    map[string]*turn    // by instance id, while somebody holds or awaits it
	watched map[string]struct{} // instances whose program this process will see end
}

type turn struct {
	sync.Mutex
	users int // guarded by Netns.mu
}

// NewNetns returns a driver. It touches nothing until it is used.
func NewNetns(cfg Config) *Netns {
	if cfg.RouterMAC == nil {
		cfg.RouterMAC = RouterMAC
	}
	cfg.MTU = cmp.Or(cfg.MTU, 9001)
	cfg.StopGrace = cmp.Or(cfg.StopGrace, 2*time.Second)
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Netns{cfg: cfg, busy: map[string]*turn{}, watched: map[string]struct{}{}}
}

// settings returns what the driver works by now.
func (n *Netns) settings() Config {
	n.mu.Lock()
	defer n.mu.Unlock()
	cfg := n.cfg
	cfg.MTU = cmp.Or(n.mtu, cfg.MTU)
	return cfg
}

// Attach puts programs on the host's end of an interface. It returns nil only
// when every packet that crosses the device is judged.
type Attach func(interfaceID, device string, ifindex int) error

// Ensure brings an instance into line with spec: it makes what is missing, takes
// over what an earlier process left, corrects what differs and removes the
// interfaces that are no longer wanted. Calling it again changes nothing.
//
// If the instance was rebooted since the last call, Ensure first ends the programs
// that live in it, as Destroy does.
//
// It calls attach once for each wanted interface, in the order of device
// indexes, while the host's end is down if it is new. Only then it brings the
// device up; if attach fails it takes the device down. What goes wrong with one
// interface does not keep the others back; all failures are in the error. After
// an error Ensure may be called again, or Destroy.
//
// Inside, it owns the interfaces' names, hardware addresses, the addresses and
// the default routes that it put there. Addresses, routes, devices and sysctls
// that programs in the instance add stay as they are.
func (n *Netns) Ensure(ctx context.Context, spec Spec, attach Attach) error {
	if err := spec.check(); err != nil {
		return err
	}
	defer n.lock(spec.ID)()
	// First of all: by this folder an installation knows its instances.
	if err := os.MkdirAll(n.stateDir(spec.ID), 0o700); err != nil {
		return fmt.Errorf("instance %s: make its folder: %w", spec.ID, err)
	}
	ns, fresh, err := n.namespace(spec.ID, spec.hostname())
	if err != nil {
		return err
	}
	defer ns.Close()
	if err := n.reboot(ctx, ns, spec, fresh); err != nil {
		return err
	}
	host, err := hostHandle()
	if err != nil {
		return err
	}
	defer host.Close()

	w := &wiring{id: spec.ID, cfg: n.settings(), host: host, inside: ns}
	if err := w.removeOthers(spec.Interfaces); err != nil {
		return fmt.Errorf("instance %s: %w", spec.ID, err)
	}
	var failed []error
	for _, i := range spec.ordered() {
		if err := ctx.Err(); err != nil {
			return errors.Join(append(failed, fmt.Errorf("instance %s: interface %s: %w", spec.ID, i.ID, err))...)
		}
		if err := w.ensure(i, attach); err != nil {
			failed = append(failed, fmt.Errorf("instance %s: interface %s: %w", spec.ID, i.ID, err))
		}
	}
	if len(failed) > 0 {
		return errors.Join(failed...)
	}
	if err := w.ensureDefaultRoutes(spec.ordered()); err != nil {
		return fmt.Errorf("instance %s: %w", spec.ID, err)
	}
	if err := w.ensureDelegated(spec.ordered()); err != nil {
		return fmt.Errorf("instance %s: %w", spec.ID, err)
	}
	if spec.Translates {
		if err := within(ns.file, ensureTranslation); err != nil {
			return fmt.Errorf("instance %s: translate: %w", spec.ID, err)
		}
	}
	if err := n.ensureProgram(ns, spec); err != nil {
		return err
	}
	if spec.FirstBoot {
		return n.runUserData(ns, spec)
	}
	return nil
}

// namespace opens the instance's namespace and makes it first if need be; fresh
// reports whether it did.
func (n *Netns) namespace(id, host string) (ns *namespace, fresh bool, err error) {
	ns, err = openNamespace(id)
	if errors.Is(err, errBroken) {
		n.cfg.Log.Info("replacing a name without a namespace", "instance", id)
		if err := removeName(id); err != nil {
			return nil, false, fmt.Errorf("instance %s: %w", id, err)
		}
		err = ErrNotFound
	}
	if errors.Is(err, ErrNotFound) || errors.Is(err, errBroken) {
		if err := createNamespace(id, host); err != nil {
			return nil, false, err
		}
		fresh = true
		ns, err = openNamespace(id)
	}
	if err != nil {
		return nil, false, err
	}
	if ns.host != host {
		if err := setHostname(ns.link, id, host); err != nil {
			ns.Close()
			return nil, false, fmt.Errorf("instance %s: %w", id, err)
		}
	}
	return ns, fresh, nil
}

// Destroy ends the programs that live in the instance (TERM, a wait of
// Config.StopGrace, KILL) and deletes its interfaces and its namespace. User
// data and logs stay until Forget. An instance that is not there is not an
// error. A process lives in the instance if its network namespace is the
// instance's; no other is touched.
func (n *Netns) Destroy(ctx context.Context, id string) error {
	if err := checkID(id); err != nil {
		return err
	}
	defer n.lock(id)()
	host, err := hostHandle()
	if err != nil {
		return err
	}
	defer host.Close()

	ns, err := openNamespace(id)
	switch {
	case errors.Is(err, ErrNotFound), errors.Is(err, errBroken):
	case err != nil:
		return err
	default:
		defer ns.Close()
		if err := endResidents(ctx, ns.file, n.cfg.StopGrace); err != nil {
			return fmt.Errorf("instance %s: %w", id, err)
		}
		w := &wiring{id: id, cfg: n.settings(), host: host, inside: ns}
		if err := w.removeOthers(nil); err != nil {
			return fmt.Errorf("instance %s: %w", id, err)
		}
	}
	// Devices whose other end was moved out of the instance.
	devices, err := hostDevices(host)
	if err != nil {
		return err
	}
	for _, d := range devices[id] {
		if err := deleteLink(host, d.Device); err != nil {
			return fmt.Errorf("instance %s: %w", id, err)
		}
	}
	if err := removeName(id); err != nil {
		return fmt.Errorf("instance %s: %w", id, err)
	}
	return n.forgetAddresses(id)
}

// Forget deletes an instance's user data and logs. It is for instances that
// never come back; Destroy comes first.
func (n *Netns) Forget(id string) error {
	if err := checkID(id); err != nil {
		return err
	}
	defer n.lock(id)()
	if err := os.RemoveAll(n.stateDir(id)); err != nil {
		return fmt.Errorf("instance %s: forget: %w", id, err)
	}
	return nil
}

// Found is an instance that the host has, whole or in part.
type Found struct {
	ID         string
	Hostname   string
	Namespace  bool             // false: the namespace is gone or only its name is left
	Interfaces []FoundInterface // by device name
}

// FoundInterface is the host's end of an interface.
type FoundInterface struct {
	ID     string // eni-…
	Device string // name on the host
	Index  int    // ifindex on the host
	Up     bool   // administratively up
}

// List returns what this driver, in this process or an earlier one, made and has
// not destroyed, by instance id. It does not look at Config.StateDir: where
// several installations share a machine, an instance is of the one whose
// instances/<id>/ exists, from before its namespace until Forget.
func (n *Netns) List() ([]Found, error) {
	host, err := hostHandle()
	if err != nil {
		return nil, err
	}
	defer host.Close()
	devices, err := hostDevices(host)
	if err != nil {
		return nil, err
	}
	found := map[string]Found{}
	for id, d := range devices {
		found[id] = Found{ID: id, Interfaces: d}
	}
	names, err := os.ReadDir(namespaceDir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list namespaces: %w", err)
	}
	for _, entry := range names {
		id, ours := strings.CutPrefix(entry.Name(), namePrefix)
		if !ours || checkID(id) != nil {
			continue
		}
		ns, err := openNamespace(id)
		if err != nil && !errors.Is(err, errBroken) {
			continue // not ours, or gone since
		}
		f := Found{ID: id, Interfaces: devices[id]}
		if err == nil {
			f.Hostname, f.Namespace = ns.host, true
			ns.Close()
		}
		found[id] = f
	}
	list := make([]Found, 0, len(found))
	for _, f := range found {
		list = append(list, f)
	}
	slices.SortFunc(list, func(a, b Found) int { return cmp.Compare(a.ID, b.ID) })
	return list, nil
}

// lock waits for the caller's turn with an instance and returns what ends it.
func (n *Netns) lock(id string) (unlock func()) {
	n.mu.Lock()
	t := n.busy[id]
	if t == nil {
		t = &turn{}
		n.busy[id] = t
	}
	t.users++
	n.mu.Unlock()
	t.Lock()
	return func() {
		t.Unlock()
		n.mu.Lock()
		defer n.mu.Unlock()
		if t.users--; t.users == 0 {
			delete(n.busy, id)
		}
	}
}

func (n *Netns) stateDir(id string) string { return filepath.Join(n.cfg.StateDir, "instances", id) }

// hostHandle opens a channel to the kernel in the namespace of this process,
// which is the host's.
func hostHandle() (*netlink.Handle, error) {
	host, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open netlink: %w", err)
	}
	return host, nil
}
