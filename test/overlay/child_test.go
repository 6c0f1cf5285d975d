// SPDX-License-Identifier: Apache-2.0

package overlay

import (
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/hedgeward/hedgeward/agent"
	"github.com/hedgeward/hedgeward/datapath"
	"github.com/hedgeward/hedgeward/feed"
	"github.com/hedgeward/hedgeward/flow"
	"github.com/hedgeward/hedgeward/instance"
	"github.com/hedgeward/hedgeward/secgroup"
	"github.com/hedgeward/hedgeward/services"
)

// What a process must find in its environment to be a host's agent.
const (
	agentPins     = "HEDGEWARD_TEST_PINS"
	agentState    = "HEDGEWARD_TEST_STATE"
	agentUnderlay = "HEDGEWARD_TEST_UNDERLAY"
)

func TestMain(m *testing.M) {
	if os.Getenv(agentPins) != "" {
		if err := runAgent(); err != nil {
			fmt.Fprintln(os.Stderr, "agent:", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// entry is what a delta says of one object.
type entry[K comparable, V any] struct {
	Key   K
	Value *V
}

func entries[K comparable, V any](m map[K]*V) (out []entry[K, V]) {
	for k, v := range m {
		out = append(out, entry[K, V]{k, v})
	}
	return out
}

func objects[K comparable, V any](list []entry[K, V]) map[K]*V {
	out := map[K]*V{}
	for _, e := range list {
		out[e.Key] = e.Value
	}
	return out
}

// message is a delta on its way to an agent, or, without a revision, a question.
type message struct {
	Revision   int64
	Instances  []entry[string, feed.Instance]
	Interfaces []entry[string, feed.Interface]
	Groups     []entry[string, feed.Group]
	Addresses  []entry[feed.AddressKey, feed.Address]
	Routes     []entry[string, feed.Routes]
}

// answer is what an agent says: of an instance, that a delta is in force, or what it
// has counted.
type answer struct {
	Instance string
	Observed secgroup.InstanceState
	Detail   string

	Applied int64

	Counted map[string][flow.NumDirections][flow.NumReasons]uint64 // by interface
	Strays  datapath.Strays
}

// own is the driver of one host: instances of others are on this machine, too.
type own struct {
	*instance.Netns
	state string
}

func (o own) List() ([]instance.Found, error) {
	all, err := o.Netns.List()
	return slices.DeleteFunc(all, func(f instance.Found) bool {
		_, missing := os.Stat(filepath.Join(o.state, "instances", f.ID))
		return missing != nil
	}), err
}

// runAgent is one host's agent until its input ends.
func runAgent() error {
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	dp, err := datapath.Open(datapath.Config{Dir: os.Getenv(agentPins), Log: log, MaxFlows: 4096, MaxPairs: 4096, MaxSteps: 1 << 16})
	if err != nil {
		return err
	}
	defer dp.Close()
	answers := make(chan answer, 100)
	state := os.Getenv(agentState)
	underlay, _ := netip.ParseAddr(os.Getenv(agentUnderlay))
	a, err := agent.New(agent.Config{
		Datapath: dp, Driver: own{instance.NewNetns(instance.Config{StateDir: state, Log: log}), state}, Log: log,
		Uplink:  instance.Uplink{Unplugged: true},
		Overlay: instance.Overlay{Address: underlay},
		Report: func(_ context.Context, id string, s secgroup.InstanceState, detail string) error {
			answers <- answer{Instance: id, Observed: s, Detail: detail}
			return nil
		},
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if err := dp.Configure(datapath.Settings{Serves: services.Served}); err != nil {
		return err
	}
	served := make(chan error, 1)
	go func() { served <- services.Serve(ctx, dp, a, netip.AddrPort{}) }()
	ran := make(chan error, 1)
	go func() { ran <- a.Run(ctx) }()
	go func() {
		out := gob.NewEncoder(os.Stdout)
		for said := range answers {
			if out.Encode(said) != nil {
				return
			}
		}
	}()
	for in := gob.NewDecoder(os.Stdin); ; {
		var m message
		if in.Decode(&m) != nil {
			cancel()
			<-ran
			if err := <-served; !errors.Is(err, context.Canceled) {
				return fmt.Errorf("local services: %w", err)
			}
			return nil
		}
		if m.Revision == 0 {
			said := answer{Counted: map[string][flow.NumDirections][flow.NumReasons]uint64{}}
			found, err := dp.Interfaces()
			if err != nil {
				return err
			}
			for _, i := range found {
				said.Counted[i.ID] = i.Packets
			}
			if said.Strays, err = dp.Strays(); err != nil {
				return err
			}
			answers <- said
			continue
		}
		a.Apply(&feed.Delta{
			Revision: m.Revision, Instances: objects(m.Instances), Interfaces: objects(m.Interfaces), Groups: objects(m.Groups),
			Addresses: objects(m.Addresses), Routes: objects(m.Routes),
		})
		answers <- answer{Applied: m.Revision}
	}
}
