// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/hedgeward/hedgeward/datapath/internal/bpfobj"
)

// Datapath is what enforces on this host. All methods are safe for concurrent
// use; changes are made one at a time.
type Datapath struct {
	cfg   Config
	lock  *os.File // held while open: one process changes a datapath
	progs bpfobj.HedgewardPrograms
	vars  bpfobj.HedgewardVariables
	grace *grace

	mu sync.Mutex
	tables
	names     *numbers
	steps     *extents
	slots     map[string]*slot // by interface id
	freeSlots []uint32         // ascending from the end: the last is the lowest
	addresses map[place]*addressState
	prefixes  map[uint32]int    // delegated ones, by network
	publics   map[place]*slot   // public addresses, in network 0
	ways      map[uint32]routes // to the internet and where it ends, by network
	remotes   map[place]remote  // addresses on other hosts
	vnis      map[uint32]uint32 // networks by number between hosts
	classes   map[string]*class // by their groups, see classKey
	classIDs  map[uint16]*class
	policies  map[PolicyID]*installed
	added     int      // policies so far
	retired   []func() // undo what programs may still be reading; see reclaim
	reclaims  int      // so far
	spared    int      // spares and their prefixes; see spares.go

	fresh      bool
	previous   *ebpf.Map // the interfaces of the layout before, while they are taken over
	settings   bpfobj.HedgewardSettings
	reserved   map[uint32]map[netip.Addr]uint16 // by network: what no interface can have
	allowances map[string]*allowance            // by instance
	ids        map[uint32]bpfobj.HedgewardLocal // what the map locals holds
	gone       []func()                         // to be done once all flows of what went are swept
	swept      Swept
	handles    handles
	drift      drift
	kick       chan struct{} // asks Run for a sweep
	tidy       chan struct{} // asks Run to reclaim
	sweeping   sync.Mutex    // one sweep at a time; taken before mu
}

// Open loads the programs and makes and pins the tables, or adopts what is
// pinned in cfg.Dir. What was attached goes on judging all the while; programs
// are replaced by this binary's when Attach is called for their interface, or here if
// what is pinned has the layout before this one, which is then taken over.
//
// It fails, changing no verdict, when another process has the datapath open or when
// what is pinned has any other layout.
func Open(cfg Config) (_ *Datapath, err error) {
	cfg = cfg.withDefaults()
	if err := Check(); err != nil {
		return nil, err
	}
	if err := ensureDir(filepath.Join(cfg.Dir, linksDir)); err != nil {
		return nil, err
	}
	d := &Datapath{cfg: cfg, kick: make(chan struct{}, 1), tidy: make(chan struct{}, 1)}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.Close())
		}
	}()
	if d.lock, err = lockDir(cfg.Dir); err != nil {
		return nil, err
	}
	found, err := pinnedLayout(cfg.Dir)
	if err != nil {
		return nil, err
	}
	switch found {
	case layout:
	case 0:
		d.fresh = true
	case previousLayout:
		if d.previous, err = openPrevious(cfg.Dir); err != nil {
			return nil, err
		}
	default:
		return nil, wrongLayout(cfg.Dir, found)
	}
	if d.hz, err = hertz(); err != nil {
		return nil, err
	}
	if err := d.load(); err != nil {
		return nil, err
	}
	if err := d.mapMemory(false); err != nil {
		return nil, err
	}
	if d.previous != nil {
		if err := d.convert(); err != nil {
			return nil, err
		}
	}
	if d.grace, err = newGrace(); err != nil {
		return nil, err
	}
	if err := d.adopt(); err != nil {
		return nil, fmt.Errorf("adopt what is pinned in %s: %w", cfg.Dir, err)
	}
	if err := d.adoptSettings(); err != nil {
		return nil, err
	}
	if d.previous != nil {
		if err := d.supersede(); err != nil {
			return nil, fmt.Errorf("take over layout %d of %s: %w", previousLayout, cfg.Dir, err)
		}
	}
	return d, d.names.mark(layoutMark, layout)
}

// load creates or opens every map and loads the programs over them.
func (d *Datapath) load() error {
	spec, err := bpfobj.LoadHedgeward()
	if err != nil {
		return err
	}
	c := &d.cfg
	for name, size := range map[string]int{
		bpfobj.HedgewardMapInterfaces:   c.MaxInterfaces,
		bpfobj.HedgewardMapSlots:        c.MaxInterfaces * 2,
		bpfobj.HedgewardMapCounters:     c.MaxInterfaces,
		bpfobj.HedgewardMapPolicies:     c.MaxPolicies,
		bpfobj.HedgewardMapRoutes:       c.MaxPrefixes,
		bpfobj.HedgewardMapClassRows:    c.MaxPolicies*4 + c.MaxAddresses,
		bpfobj.HedgewardMapSteps:        c.MaxSteps,
		bpfobj.HedgewardMapAddresses:    c.MaxAddresses,
		bpfobj.HedgewardMapPublics:      c.MaxPublic,
		bpfobj.HedgewardMapPublished:    c.MaxPublic,
		bpfobj.HedgewardMapWays:         c.MaxWays,
		bpfobj.HedgewardMapUplink:       1,
		bpfobj.HedgewardMapOverlay:      1,
		bpfobj.HedgewardMapRemotes:      c.MaxRemotes,
		bpfobj.HedgewardMapVnis:         c.MaxRemotes,
		bpfobj.HedgewardMapStrays:       int(bpfobj.HedgewardStrayNUM_STRAYS),
		bpfobj.HedgewardMapFlows:        c.MaxFlows,
		bpfobj.HedgewardMapPairs:        c.MaxPairs,
		bpfobj.HedgewardMapFlowsTransit: c.MaxTransitFlows,
		bpfobj.HedgewardMapLocals:       c.MaxAddresses + 4*c.MaxInterfaces,
		bpfobj.HedgewardMapAllowances:   c.MaxInterfaces * 2,
		bpfobj.HedgewardMapUses:         c.MaxRules,
		bpfobj.HedgewardMapHost:         1,
		bpfobj.HedgewardMapRates:        c.MaxInterfaces,
		bpfobj.HedgewardMapFragments:    c.MaxDatagrams,
		bpfobj.HedgewardMapHandles:      c.MaxRules,
		bpfobj.HedgewardMapNames:        c.MaxAddresses + 1024,
		bpfobj.HedgewardMapClasses:      c.MaxClasses,
	} {
		m := spec.Maps[name]
		m.MaxEntries = uint32(size)
		replaced := d.previous != nil && slices.Contains(superseded, name)
		if !replaced {
			m.Pinning = ebpf.PinByName
		}
		switch old, err := ebpf.LoadPinnedMap(filepath.Join(c.Dir, name), nil); {
		case err == nil:
			m.MaxEntries = old.MaxEntries()
			old.Close()
		case !errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("open pinned map %s: %w", name, err)
		}
	}
	settled := map[string]uint32{
		bpfobj.HedgewardVarSlotMask: slotMask(spec.Maps[bpfobj.HedgewardMapInterfaces].MaxEntries),
		bpfobj.HedgewardVarMargin:   jiffies(margin, d.hz),
	}
	if c.Testing {
		settled[bpfobj.HedgewardVarTesting] = 1
	}
	for name, value := range settled {
		if err := spec.Variables[name].Set(value); err != nil {
			return fmt.Errorf("set %s of the programs: %w", name, err)
		}
	}
	objs, err := loadObjects(spec, ebpf.CollectionOptions{Maps: ebpf.MapOptions{PinPath: c.Dir}})
	if errors.Is(err, ebpf.ErrMapIncompatible) {
		return fmt.Errorf("what is pinned in %s is of another version of Hedgeward: run `hedgeward down` with that version, then start again: %w", c.Dir, err)
	}
	if err != nil {
		return fmt.Errorf("load the datapath: %w", err)
	}
	d.progs, d.HedgewardMaps, d.vars = objs.HedgewardPrograms, objs.HedgewardMaps, objs.HedgewardVariables
	return nil
}

// Fresh reports that Open found nothing pinned: flows there may have been are lost.
func (d *Datapath) Fresh() bool { return d.fresh }

// pinnedLayout returns what the tables mean that are pinned in dir, 0 if there are
// none.
func pinnedLayout(dir string) (found uint32, err error) {
	m, err := ebpf.LoadPinnedMap(filepath.Join(dir, bpfobj.HedgewardMapNames), nil)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("open pinned map %s: %w", bpfobj.HedgewardMapNames, err)
	}
	defer m.Close()
	var key bpfobj.HedgewardName
	cString(key.Text[:], layoutMark)
	err = m.Lookup(&key, &found)
	if errors.Is(err, ebpf.ErrKeyNotExist) { // an Open that did not get to its end
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read the layout of %s: %w", dir, err)
	}
	return found, nil
}

func wrongLayout(dir string, found uint32) error {
	return fmt.Errorf("what is pinned in %s has layout %d, this version of Hedgeward has %d: run `hedgeward down` with the version that made it, then start again", dir, found, layout)
}

// lockDir makes sure that one process at a time changes the datapath.
func lockDir(dir string) (*os.File, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("lock the datapath: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("the datapath in %s is in use by another process", dir)
		}
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	return f, nil
}

// Close lets go of the datapath. Everything stays pinned and in force. No other
// method may be called afterwards.
func (d *Datapath) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	errs := []error{d.tables.close(), d.progs.Close(), d.grace.close()}
	if d.previous != nil {
		errs = append(errs, d.previous.Close())
	}
	if d.lock != nil {
		errs = append(errs, d.lock.Close())
	}
	return errors.Join(errs...)
}

// SetClock sets the time at which flows are judged, in a datapath opened for
// Testing: the time that has passed since any fixed moment.
func (d *Datapath) SetClock(jiffies uint32) error {
	if !d.cfg.Testing {
		return errors.New("set the clock: the datapath was not opened for testing")
	}
	return d.vars.TestClock.Set(jiffies)
}
