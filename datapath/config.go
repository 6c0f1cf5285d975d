// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"
)

// DefaultDir is where everything is pinned unless Config.Dir says otherwise.
const DefaultDir = "/sys/fs/bpf/hedgeward"

// AttachMode says how programs are put on a device.
type AttachMode uint8

const (
	AttachAuto   AttachMode = iota // tcx where the kernel has it (6.6), otherwise clsact
	AttachTCX                      // pinned tcx links
	AttachClsact                   // filters of a clsact qdisc
)

// Config sizes a datapath. Sizes count only when the maps are made; a pinned
// datapath keeps the sizes that it has. A zero size is the default.
type Config struct {
	Dir string // in a bpffs; "" is DefaultDir

	MaxInterfaces   int // 4096; at most 65532
	MaxFlows        int // 262144 with addresses that are not on this host, 104 bytes each, allocated at once
	MaxPairs        int // 262144 between interfaces of this host, 128 bytes each, allocated at once
	MaxTransitFlows int // 65536, flows that an interface forwards for others
	MaxDatagrams    int // 4096 of which fragments are judged at once, 1.2 kB each
	MaxAddresses    int // 262144
	MaxRemotes      int // 262144 addresses on other hosts
	MaxPublic       int // 32768 public addresses and prefixes
	MaxWays         int // 65536 routes, over all networks that one leads to the internet from
	MaxPrefixes     int // 262144, over all policies
	MaxSteps        int // 2097152, 8 bytes each, over all policies
	MaxPolicies     int // 8192, those being replaced included
	MaxClasses      int // 65535 distinct sets of groups; at most that
	MaxRules        int // 32768 rules whose use is counted, 32 bytes each and CPU

	Attach AttachMode
	Log    *slog.Logger // nil discards

	// Testing makes time stand still until SetClock moves it, and makes the
	// programs report each verdict in skb->cb. It is for program runs alone.
	Testing bool
}

func (c Config) withDefaults() Config {
	set := func(field *int, value int) {
		if *field <= 0 {
			*field = value
		}
	}
	if c.Dir == "" {
		c.Dir = DefaultDir
	}
	set(&c.MaxInterfaces, 4096)
	set(&c.MaxFlows, 256<<10)
	set(&c.MaxPairs, 256<<10)
	set(&c.MaxTransitFlows, 64<<10)
	set(&c.MaxDatagrams, 4096)
	set(&c.MaxAddresses, 256<<10)
	set(&c.MaxRemotes, 256<<10)
	set(&c.MaxPublic, 32<<10)
	set(&c.MaxWays, 64<<10)
	set(&c.MaxPrefixes, 256<<10)
	set(&c.MaxSteps, 2<<20)
	set(&c.MaxPolicies, 8192)
	set(&c.MaxClasses, maxClass)
	set(&c.MaxRules, 32<<10)
	c.MaxInterfaces = min(c.MaxInterfaces, reservedFirst-1)
	c.MaxClasses = min(c.MaxClasses, maxClass)
	c.MaxRules = min(c.MaxRules, maxHandle)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Check reports whether this kernel and this user can enforce at all. The error
// says what is missing and what to do about it.
func Check() error {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return fmt.Errorf("read kernel version: %w", err)
	}
	release := unix.ByteSliceToString(u.Release[:])
	var major, minor int
	if _, err := fmt.Sscanf(release, "%d.%d", &major, &minor); err != nil {
		return fmt.Errorf("read kernel version %q: %w", release, err)
	}
	if major < 5 || major == 5 && minor < 15 {
		return fmt.Errorf("kernel %s is too old to enforce security groups: 5.15 or newer is needed", release)
	}
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type:         ebpf.SchedCLS,
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()},
		License:      "Dual BSD/GPL",
	})
	switch {
	case errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES):
		return errors.New("this user may not load BPF programs: run as root, or with CAP_BPF, CAP_NET_ADMIN and CAP_SYS_ADMIN")
	case err != nil:
		return fmt.Errorf("this kernel does not load BPF classifiers (CONFIG_BPF_SYSCALL, CONFIG_NET_CLS_BPF): %w", err)
	}
	prog.Close()
	return ensureBPFFS()
}

const bpffsRoot = "/sys/fs/bpf"

// ensureBPFFS mounts the BPF file system in its usual place if it is not there.
func ensureBPFFS() error {
	if onBPFFS(bpffsRoot) {
		return nil
	}
	if err := unix.Mount("bpf", bpffsRoot, "bpf", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=0700"); err != nil {
		return fmt.Errorf("the BPF file system is not mounted and cannot be: run `mount -t bpf bpf %s` as root: %w", bpffsRoot, err)
	}
	return nil
}

func onBPFFS(path string) bool {
	var st unix.Statfs_t
	return unix.Statfs(path, &st) == nil && int64(st.Type) == unix.BPF_FS_MAGIC
}

// ensureDir makes dir and its parents inside a bpffs.
func ensureDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make %s: %w", dir, err)
	}
	if !onBPFFS(dir) {
		return fmt.Errorf("%s is not in a BPF file system: choose a folder below %s", dir, bpffsRoot)
	}
	return nil
}
