// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"text/tabwriter"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/spf13/cobra"

	"github.com/hedgeward/hedgeward/internal/localhttp"
)

func demoCommand(st *state) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show on the running system that groups block and admit what EC2 says",
		Long: "Make a VPC with groups web and db and three instances through the public API, try real connections between them, " +
			"change memberships and rules under live connections, compare every outcome with docs/spec/packet-semantics.md, and clean up. " +
			"It fails if a single probe disagrees.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := mustBeRoot("demo"); err != nil {
				return err
			}
			return runShow(cmd.Context(), st, (*show).play)
		},
	}
	cmd.AddCommand(demoFleetCommand(st))
	return cmd
}

// show is one run of the demonstration.
type show struct {
	st    *state
	world *demoWorld
	probe inside
	wrong int // probes that disagreed
	made  int // probes
}

// runShow makes a world, lets play probe it, and cleans up.
func runShow(ctx context.Context, st *state, play func(*show, context.Context) error) (err error) {
	s := &show{st: st}
	if s.probe, err = newInside(); err != nil {
		return err
	}
	if err := s.settle(ctx); err != nil {
		return err // says so when nothing runs
	}
	if s.world, err = newDemoWorld(ctx, st); err != nil {
		return err
	}
	probes, stop := context.WithCancel(ctx)
	err = play(s, probes)
	stop()
	fmt.Println("\nCleaning up.")
	err = errors.Join(err, s.world.cleanUp(context.WithoutCancel(ctx)))
	switch {
	case err != nil:
		return err
	case s.wrong > 0:
		return fmt.Errorf("%d of %d probes disagree with the specification", s.wrong, s.made)
	}
	fmt.Printf("All %d probes agree with the specification.\n", s.made)
	return nil
}

// settle waits until everything answered so far is in force.
func (s *show) settle(ctx context.Context) error {
	var revision int64
	err := s.st.ask(ctx, "POST", "/wait", &revision)
	if errors.Is(err, localhttp.ErrNobody) {
		return fmt.Errorf("no server runs on %s; run `hedgeward up` in another shell first", s.st.dir)
	}
	return err
}

// play makes the world and lets it be probed. Groups: web admits 80 from
// anywhere, db admits 5432 from web only, other admits nothing; all let
// everything out.
func (s *show) play(ctx context.Context) error {
	w := s.world
	fmt.Println("Making a VPC, groups web, db and other, and an instance in each.")
	if err := w.network(ctx); err != nil {
		return err
	}
	ids := map[string]string{}
	for _, name := range []string{"web", "db", "other"} {
		id, err := w.group(ctx, name)
		if err != nil {
			return err
		}
		ids[name] = id
	}
	anywhere := types.IpPermission{IpRanges: []types.IpRange{{CidrIp: aws.String("0.0.0.0/0")}}}
	members := types.IpPermission{UserIdGroupPairs: []types.UserIdGroupPair{{GroupId: aws.String(ids["web"])}}}
	httpRule, err := w.allow(ctx, ids["web"], 80, anywhere)
	if err != nil {
		return err
	}
	dbRule, err := w.allow(ctx, ids["db"], 5432, members)
	if err != nil {
		return err
	}

	var instances []*demoInstance
	for _, name := range []string{"web", "db", "other"} {
		i, err := w.run(ctx, name, ids[name])
		if err != nil {
			return err
		}
		instances = append(instances, i)
		ready, err := s.probe.start(ctx, i.id, "listen", ":80", ":5432").next()
		if err != nil || ready != probeReady {
			return errors.Join(fmt.Errorf("no listeners in %s: %q", name, ready), err)
		}
	}
	web, db, other := instances[0], instances[1], instances[2]
	if err := s.settle(ctx); err != nil {
		return err
	}
	if err := s.matrix(ctx, instances); err != nil {
		return err
	}

	fmt.Println("\nLive changes:")
	if err := w.join(ctx, other, ids["other"], ids["web"]); err != nil {
		return err
	}
	if err := s.dials(ctx, other, db, 5432, true, "other joins group web"); err != nil {
		return err
	}
	tracked, err := s.converse(ctx, web, db, 5432)
	if err != nil {
		return err
	}
	if err := w.revoke(ctx, ids["db"], dbRule); err != nil {
		return err
	}
	if err := s.goesOn(ctx, tracked, true, "db stops admitting 5432; a tracked connection that is open"); err != nil {
		return err
	}
	if err := s.dials(ctx, web, db, 5432, false, "the same, a new connection"); err != nil {
		return err
	}
	untracked, err := s.converse(ctx, db, web, 80)
	if err != nil {
		return err
	}
	if err := w.revoke(ctx, ids["web"], httpRule); err != nil {
		return err
	}
	return s.goesOn(ctx, untracked, false, "web stops admitting 80 from anywhere; an untracked connection that is open")
}

// matrix tries every instance against every other and both ports.
func (s *show) matrix(ctx context.Context, instances []*demoInstance) error {
	admitted := map[string]map[int]bool{ // by destination and port, except that db asks who comes
		"web": {80: true}, "db": {}, "other": {},
	}
	fmt.Println("\nWho reaches whom (+ connected, - no answer, ! not what the specification says):")
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprint(t, "  from\\to\t")
	for _, to := range instances {
		fmt.Fprintf(t, "%s:80\t%s:5432\t", to.name, to.name)
	}
	fmt.Fprintln(t)
	for _, from := range instances {
		fmt.Fprintf(t, "  %s\t", from.name)
		for _, to := range instances {
			for _, port := range []int{80, 5432} {
				if from == to {
					fmt.Fprint(t, ".\t")
					continue
				}
				want := admitted[to.name][port] || to.name == "db" && port == 5432 && from.name == "web"
				got, err := s.probe.dial(ctx, from.id, net.JoinHostPort(to.ip, strconv.Itoa(port)))
				if err != nil {
					return err
				}
				mark := map[bool]string{true: "+", false: "-"}[got]
				if !s.agrees(got, want) {
					mark += "!"
				}
				fmt.Fprint(t, mark, "\t")
			}
		}
		fmt.Fprintln(t)
	}
	return t.Flush()
}

// agrees counts one probe.
func (s *show) agrees(got, want bool) bool {
	s.made++
	if got != want {
		s.wrong++
	}
	return got == want
}

func (s *show) tell(what string, got, want bool) {
	outcome := map[bool]string{true: "goes through", false: "is cut"}[got]
	if !s.agrees(got, want) {
		outcome += "  ! not what the specification says"
	}
	fmt.Printf("  %s: %s\n", what, outcome)
}

// dials waits until the last change is in force and tries one connection.
func (s *show) dials(ctx context.Context, from, to *demoInstance, port int, want bool, what string) error {
	if err := s.settle(ctx); err != nil {
		return err
	}
	got, err := s.probe.dial(ctx, from.id, net.JoinHostPort(to.ip, strconv.Itoa(port)))
	if err == nil {
		s.tell(fmt.Sprintf("%s: %s to %s:%d", what, from.name, to.name, port), got, want)
	}
	return err
}

// converse opens a connection and sees that it works.
func (s *show) converse(ctx context.Context, from, to *demoInstance, port int) (*conversation, error) {
	c := s.probe.start(ctx, from.id, "talk", net.JoinHostPort(to.ip, strconv.Itoa(port)))
	word, err := c.next()
	if err != nil {
		return nil, err
	}
	open := word == probeOpen
	if open {
		open, err = c.exchange()
	}
	if err != nil || !open {
		return nil, errors.Join(fmt.Errorf("a connection from %s to %s:%d that must open does not", from.name, to.name, port), err)
	}
	return c, nil
}

// goesOn waits until the last change is in force and uses an open connection.
func (s *show) goesOn(ctx context.Context, c *conversation, want bool, what string) error {
	if err := s.settle(ctx); err != nil {
		return err
	}
	got, err := c.exchange()
	if err == nil {
		s.tell(what, got, want)
	}
	return err
}
