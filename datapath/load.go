// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"errors"
	"maps"
	"runtime"
	"sync"

	"github.com/cilium/ebpf"

	"github.com/hedgeward/hedgeward/datapath/internal/bpfobj"
)

// loadObjects is spec.LoadAndAssign with as many programs on their way into the kernel
// as there are processors: it takes the kernel most of the time of a start to
// convince itself that they are safe, one program after the other.
func loadObjects(spec *ebpf.CollectionSpec, options ebpf.CollectionOptions) (objs bpfobj.HedgewardObjects, err error) {
	tables := spec.Copy()
	tables.Programs = nil
	all, err := ebpf.NewCollectionWithOptions(tables, options)
	if err != nil {
		return objs, err
	}
	defer all.Close() // what is not assigned
	options.MapReplacements = all.Maps
	var loading sync.WaitGroup
	var mu sync.Mutex // of what follows
	var failed error
	loaded := map[string]*ebpf.Program{}
	room := make(chan struct{}, runtime.GOMAXPROCS(0))
	for name := range spec.Programs {
		loading.Go(func() {
			room <- struct{}{}
			defer func() { <-room }()
			one := spec.Copy()
			one.Variables = nil // they are set in the tables
			maps.DeleteFunc(one.Programs, func(other string, _ *ebpf.ProgramSpec) bool { return other != name })
			c, err := ebpf.NewCollectionWithOptions(one, options)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed = errors.Join(failed, err)
				return
			}
			loaded[name] = c.DetachProgram(name)
			c.Close()
		})
	}
	loading.Wait()
	all.Programs = loaded
	if failed != nil {
		return objs, failed
	}
	return objs, all.Assign(&objs)
}
