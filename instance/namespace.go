// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// ErrNotFound says that the host has no such instance.
var ErrNotFound = errors.New("no such instance on this host")

// errBroken says that a namespace's name is there and the namespace is not: a
// process ended while making or deleting it, or the machine restarted and its
// /run is on a disk.
var errBroken = errors.New("name without a namespace")

// sysctls are the settings of a new namespace, before it has any device. Those
// under ipv6 are left out when the kernel has no IPv6. Nothing sets them again
// later: inside, they belong to the instance.
var sysctls = []struct{ path, value string }{
	// Loose: answers may leave by another interface than the request came in.
	{"net/ipv4/conf/all/rp_filter", "2"},
	{"net/ipv4/conf/default/rp_filter", "2"},
	// Deleting the primary address must not delete the secondary ones.
	{"net/ipv4/conf/all/promote_secondaries", "1"},
	{"net/ipv4/conf/default/promote_secondaries", "1"},
	// Addresses come from the driver only, and it knows that they are unique.
	{"net/ipv6/conf/all/disable_ipv6", "0"},
	{"net/ipv6/conf/default/disable_ipv6", "0"},
	{"net/ipv6/conf/all/accept_ra", "0"},
	{"net/ipv6/conf/default/accept_ra", "0"},
	{"net/ipv6/conf/default/autoconf", "0"},
	{"net/ipv6/conf/all/accept_dad", "0"},
	{"net/ipv6/conf/default/accept_dad", "0"},
}

// setSysctl writes one setting of the namespace the thread is in. A setting that
// the kernel does not have is not an error.
func setSysctl(path, value string) error {
	err := os.WriteFile(filepath.Join("/proc/sys", path), []byte(value), 0)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("set %s to %s: %w", path, value, err)
	}
	return nil
}

// namespace is an open network namespace of an instance.
type namespace struct {
	file *os.File
	link *netlink.Handle // speaks to the kernel inside
	host string          // host name from its mark
}

func (n *namespace) Close() {
	n.link.Close()
	n.file.Close()
}

// openNamespace opens the namespace of an instance and checks that it is ours.
// Errors: ErrNotFound, errBroken, or that it belongs to somebody else.
func openNamespace(id string) (*namespace, error) {
	path := namespacePath(id)
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("instance %s: %w", id, ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("open namespace of %s: %w", id, err)
	}
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(file.Fd()), &st); err != nil || st.Type != unix.NSFS_MAGIC {
		file.Close()
		return nil, fmt.Errorf("%s: %w", path, errors.Join(errBroken, err))
	}
	n := &namespace{file: file}
	err = within(file, func() (err error) {
		n.link, err = netlink.NewHandle(unix.NETLINK_ROUTE)
		return err
	})
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("open namespace of %s: %w", id, err)
	}
	lo, err := n.link.LinkByName("lo")
	if err != nil {
		n.Close()
		return nil, fmt.Errorf("read loopback device of %s: %w", id, err)
	}
	marked, host, ok := parseNamespaceMark(lo.Attrs().Alias)
	if !ok || marked != id {
		n.Close()
		return nil, fmt.Errorf("namespace %s exists and was not made by Hedgeward: "+
			"remove it with `ip netns delete %s` if nobody needs it", path, NamespaceName(id))
	}
	n.host = host
	return n, nil
}

// createNamespace makes and marks the namespace of an instance. Its name appears
// last, so whoever finds the name finds everything.
func createNamespace(id, host string) error {
	unlock, err := lockNamespaceDir()
	if err != nil {
		return err
	}
	defer unlock()
	err = onThread(func() (bool, error) {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return true, fmt.Errorf("unshare: %w", err)
		}
		return false, furnish(id, host)
	})
	if err != nil {
		return fmt.Errorf("create namespace of %s: %w", id, err)
	}
	return nil
}

// furnish prepares the new namespace that the thread is in and gives it its
// name.
func furnish(id, host string) error {
	for _, s := range sysctls {
		if err := setSysctl(s.path, s.value); err != nil {
			return err
		}
	}
	link, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer link.Close()
	if err := setHostname(link, id, host); err != nil {
		return err
	}
	lo, err := link.LinkByName("lo")
	if err != nil {
		return err
	}
	if err := link.LinkSetUp(lo); err != nil {
		return fmt.Errorf("bring up lo: %w", err)
	}
	path := namespacePath(id)
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL, 0o444)
	if err != nil {
		return err
	}
	file.Close()
	if err := unix.Mount("/proc/thread-self/ns/net", path, "", unix.MS_BIND, ""); err != nil {
		return errors.Join(fmt.Errorf("mount %s: %w", path, err), os.Remove(path))
	}
	return nil
}

// setHostname writes the mark of an instance's namespace, which carries the host
// name.
func setHostname(link *netlink.Handle, id, host string) error {
	lo, err := link.LinkByName("lo")
	if err != nil {
		return err
	}
	if err := link.LinkSetAlias(lo, namespaceMark(id, host)); err != nil {
		return fmt.Errorf("mark namespace: %w", err)
	}
	return nil
}

// removeName takes away the name of an instance's namespace. The kernel deletes
// the namespace when its last process and descriptor are gone.
func removeName(id string) error {
	unlock, err := lockNamespaceDir()
	if err != nil {
		return err
	}
	defer unlock()
	path := namespacePath(id)
	// EINVAL: nothing is mounted there.
	if err := unix.Unmount(path, unix.MNT_DETACH); err != nil &&
		!errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("unmount %s: %w", path, err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove namespace name: %w", err)
	}
	return nil
}

// lockNamespaceDir makes the folder of named namespaces what `ip netns` makes of
// it, a shared mount, so that names made by either are seen and removed in all
// mount namespaces, and takes the lock that `ip netns` takes.
func lockNamespaceDir() (unlock func(), err error) {
	if err := os.MkdirAll(namespaceDir, 0o755); err != nil {
		return nil, err
	}
	dir, err := os.Open(namespaceDir)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(dir.Fd()), unix.LOCK_EX); err != nil {
		dir.Close()
		return nil, fmt.Errorf("lock %s: %w", namespaceDir, err)
	}
	share := func() error { return unix.Mount("", namespaceDir, "none", unix.MS_SHARED|unix.MS_REC, "") }
	if err = share(); errors.Is(err, unix.EINVAL) { // not a mount of its own yet
		if err = unix.Mount(namespaceDir, namespaceDir, "none", unix.MS_BIND|unix.MS_REC, ""); err == nil {
			err = share()
		}
	}
	if err != nil {
		dir.Close()
		return nil, fmt.Errorf("share %s: %w (are you root?)", namespaceDir, err)
	}
	return func() { dir.Close() }, nil
}
