// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"

	"github.com/hedgeward/hedgeward/test/faults/history"
)

// place is something of the installation that holds one thing or none, and how a
// client asks for it. What it holds is told apart by description.
type place struct {
	key    string
	create func(ctx context.Context, c *ec2.Client, description string) error
	exists string // code of the refusal to create
	// look returns the description and the id of what is there, "" for nothing.
	look    func(ctx context.Context, c *ec2.Client) (description, id string, err error)
	remove  func(ctx context.Context, c *ec2.Client, id string) error
	missing string // code of the refusal to remove
}

// world is what the clients of a run work on: rules of one group, addresses of
// one subnet and names of one VPC, few of each so that clients meet.
type world struct {
	vpc, subnet, group string
	places             []place
}

func newWorld(t *testing.T, c *ec2.Client) *world {
	t.Helper()
	ctx := t.Context()
	v, err := c.CreateVpc(ctx, &ec2.CreateVpcInput{CidrBlock: aws.String("10.9.0.0/16")})
	if err != nil {
		t.Fatal(err)
	}
	subnet := func(block string) string {
		t.Helper()
		s, err := c.CreateSubnet(ctx, &ec2.CreateSubnetInput{VpcId: v.Vpc.VpcId, CidrBlock: &block})
		if err != nil {
			t.Fatal(err)
		}
		return *s.Subnet.SubnetId
	}
	g, err := c.CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{VpcId: v.Vpc.VpcId, GroupName: aws.String("rules"), Description: aws.String("rules")})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{vpc: *v.Vpc.VpcId, subnet: subnet("10.9.1.0/24"), group: *g.GroupId}
	apart := subnet("10.9.2.0/24") // where no instance gets an address that is a place
	for i := range 4 {
		w.places = append(w.places, w.rule(int32(1000+i)), w.address(apart, fmt.Sprintf("10.9.2.%d", 20+i)), w.name(fmt.Sprintf("name%d", i)))
	}
	return w
}

func filter(name, value string) types.Filter {
	return types.Filter{Name: aws.String(name), Values: []string{value}}
}

func (w *world) rule(port int32) place {
	return place{
		key: fmt.Sprintf("rule for port %d", port), exists: "InvalidPermission.Duplicate", missing: "InvalidSecurityGroupRuleId.NotFound",
		create: func(ctx context.Context, c *ec2.Client, description string) error {
			_, err := c.AuthorizeSecurityGroupIngress(ctx, &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &w.group, IpPermissions: []types.IpPermission{{
				IpProtocol: aws.String("tcp"), FromPort: &port, ToPort: &port,
				IpRanges: []types.IpRange{{CidrIp: aws.String("10.0.0.0/8"), Description: &description}},
			}}})
			return err
		},
		look: func(ctx context.Context, c *ec2.Client) (string, string, error) {
			out, err := c.DescribeSecurityGroupRules(ctx, &ec2.DescribeSecurityGroupRulesInput{Filters: []types.Filter{filter("group-id", w.group)}})
			if err != nil {
				return "", "", err
			}
			for _, r := range out.SecurityGroupRules {
				if aws.ToInt32(r.FromPort) == port {
					return aws.ToString(r.Description), *r.SecurityGroupRuleId, nil
				}
			}
			return "", "", nil
		},
		remove: func(ctx context.Context, c *ec2.Client, id string) error {
			_, err := c.RevokeSecurityGroupIngress(ctx, &ec2.RevokeSecurityGroupIngressInput{GroupId: &w.group, SecurityGroupRuleIds: []string{id}})
			return err
		},
	}
}

func (w *world) address(subnet, address string) place {
	return place{
		key: "address " + address, exists: "InvalidIPAddress.InUse", missing: "InvalidNetworkInterfaceID.NotFound",
		create: func(ctx context.Context, c *ec2.Client, description string) error {
			_, err := c.CreateNetworkInterface(ctx, &ec2.CreateNetworkInterfaceInput{SubnetId: &subnet, PrivateIpAddress: &address, Description: &description})
			return err
		},
		look: func(ctx context.Context, c *ec2.Client) (string, string, error) {
			out, err := c.DescribeNetworkInterfaces(ctx, &ec2.DescribeNetworkInterfacesInput{
				Filters: []types.Filter{filter("subnet-id", subnet), filter("addresses.private-ip-address", address)},
			})
			if err != nil || len(out.NetworkInterfaces) == 0 {
				return "", "", err
			}
			if len(out.NetworkInterfaces) > 1 {
				return "two interfaces", "", nil
			}
			return aws.ToString(out.NetworkInterfaces[0].Description), *out.NetworkInterfaces[0].NetworkInterfaceId, nil
		},
		remove: func(ctx context.Context, c *ec2.Client, id string) error {
			_, err := c.DeleteNetworkInterface(ctx, &ec2.DeleteNetworkInterfaceInput{NetworkInterfaceId: &id})
			return err
		},
	}
}

func (w *world) name(name string) place {
	return place{
		key: "group " + name, exists: "InvalidGroup.Duplicate", missing: "InvalidGroup.NotFound",
		create: func(ctx context.Context, c *ec2.Client, description string) error {
			_, err := c.CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{VpcId: &w.vpc, GroupName: &name, Description: &description})
			return err
		},
		look: func(ctx context.Context, c *ec2.Client) (string, string, error) {
			out, err := c.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{Filters: []types.Filter{filter("vpc-id", w.vpc), filter("group-name", name)}})
			if err != nil || len(out.SecurityGroups) == 0 {
				return "", "", err
			}
			if len(out.SecurityGroups) > 1 {
				return "two groups", "", nil
			}
			return *out.SecurityGroups[0].Description, *out.SecurityGroups[0].GroupId, nil
		},
		remove: func(ctx context.Context, c *ec2.Client, id string) error {
			_, err := c.DeleteSecurityGroup(ctx, &ec2.DeleteSecurityGroupInput{GroupId: &id})
			return err
		},
	}
}

// workload is clients that work on a world through several replicas and record
// what they are told.
type workload struct {
	t       *testing.T
	record  *history.Record
	world   *world
	seed    uint64
	clients []*ec2.Client // by replica

	serial  atomic.Int64
	running sync.WaitGroup
	stop    context.CancelFunc
	pause   time.Duration // between the calls of a worker
	clocks  bool          // servers' clocks may be off: signatures are refused then
}

// begin lets workers work until end.
func (w *workload) begin(workers int) {
	ctx, stop := context.WithCancel(context.Background())
	w.stop = stop
	for i := range workers {
		w.running.Go(func() {
			random := rand.New(rand.NewPCG(w.seed, uint64(i)))
			for ctx.Err() == nil {
				w.call(i, random)
				select {
				case <-time.After(w.pause):
				case <-ctx.Done():
				}
			}
		})
	}
}

// end waits for the calls that are under way.
func (w *workload) end() {
	w.stop()
	w.running.Wait()
}

// call makes one call, or two: what is to be removed must be found first.
func (w *workload) call(worker int, random *rand.Rand) {
	p := &w.world.places[random.IntN(len(w.world.places))]
	c := w.clients[random.IntN(len(w.clients))]
	ctx := context.Background()
	switch random.IntN(4) {
	case 0:
		description := fmt.Sprintf("d-%d", w.serial.Add(1))
		w.record.Do(worker, history.Create, p.key, func() (string, history.Outcome) {
			return description, w.outcome(p.create(ctx, c, description), p.exists)
		})
	case 1:
		if there, id := w.read(ctx, worker, p, c); id != "" {
			c = w.clients[random.IntN(len(w.clients))]
			w.record.Do(worker, history.Delete, p.key, func() (string, history.Outcome) {
				return there, w.outcome(p.remove(ctx, c, id), p.missing)
			})
		}
	default:
		w.read(ctx, worker, p, c)
	}
}

func (w *workload) read(ctx context.Context, worker int, p *place, c *ec2.Client) (there, id string) {
	w.record.Do(worker, history.Read, p.key, func() (string, history.Outcome) {
		var err error
		there, id, err = p.look(ctx, c)
		return there, w.outcome(err, "")
	})
	return there, id
}

// readAll reads every place through every replica, for the record's end.
func (w *workload) readAll() {
	for _, c := range w.clients {
		for i := range w.world.places {
			p := &w.world.places[i]
			eventually(w.t, "read "+p.key, func() error {
				_, _, err := p.look(context.Background(), c)
				return err
			})
			w.read(context.Background(), 1000, p, c)
		}
	}
}

// outcome says what the client knows after an answer. A code that nobody may be
// told here fails the test.
func (w *workload) outcome(err error, refusal string) history.Outcome {
	var said smithy.APIError
	switch {
	case err == nil:
		return history.Done
	case !errors.As(err, &said):
		return history.Unknown // the connection, not the service
	case said.ErrorCode() == refusal:
		return history.Refused
	case said.ErrorFault() == smithy.FaultServer, unavailable[said.ErrorCode()], w.clocks && said.ErrorCode() == "RequestExpired":
		return history.Unknown
	}
	w.t.Errorf("a client was told %v", err)
	return history.Unknown
}

// unavailable are the codes of "not now".
var unavailable = map[string]bool{"Unavailable": true, "ServiceUnavailable": true, "InternalError": true, "RequestLimitExceeded": true}
