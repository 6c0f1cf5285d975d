// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"cmp"
	"runtime"
	"strings"

	"github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"
	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// inst is an instance with its interfaces by device index.
type inst struct {
	*secgroup.Instance
	interfaces []*iface // none once it ends
}

func view(snap *model.Snapshot, in *secgroup.Instance) *inst {
	return &inst{in, each(control.Attached(snap, in.ID), func(i *secgroup.Interface) *iface { return &iface{Interface: i, snap: snap} })}
}

func views(snap *model.Snapshot, rows []*secgroup.Instance) []*inst {
	return each(rows, func(in *secgroup.Instance) *inst { return view(snap, in) })
}

// primary returns the interface at device index 0, nil when the instance has
// ended.
func (in *inst) primary() *iface {
	if len(in.interfaces) == 0 {
		return nil
	}
	return in.interfaces[0]
}

// groups returns what the instance-level groupSet shows: the groups of the
// primary interface.
func (in *inst) groups() []ec2types.GroupIdentifier {
	if p := in.primary(); p != nil {
		return p.groups()
	}
	return []ec2types.GroupIdentifier{}
}

// transitionReason is the reason element: who ended or stopped the instance and
// when. It is empty while the instance runs.
func (in *inst) transitionReason() string {
	code, _, _ := strings.Cut(in.Reason, ": ")
	if strings.HasPrefix(code, "Client.") {
		return "User initiated (" + in.ReasonAt.UTC().Format("2006-01-02 15:04:05") + " GMT)"
	}
	return code
}

func (in *inst) stateReason() *ec2types.StateReason {
	if in.Reason == "" {
		return nil
	}
	code, _, _ := strings.Cut(in.Reason, ": ")
	return &ec2types.StateReason{Code: &code, Message: &in.Reason}
}

func (in *inst) monitoring() string {
	if in.Options.Monitoring {
		return "enabled"
	}
	return "disabled"
}

// architecture is the host's, in EC2's words.
var architecture = map[string]string{"amd64": "x86_64", "arm64": "arm64", "386": "i386"}[runtime.GOARCH]

// What every instance shows, whatever it is made of.
const (
	hypervisor     = "xen"
	virtualization = "hvm"
	rootDeviceType = "ebs"
	rootDeviceName = "/dev/xvda"
	tenancy        = "default"
)

// showInstance returns an instance as DescribeInstances shows it
// (docs/spec/ec2-api.md section 6.1).
func showInstance(in *inst) ec2types.Instance {
	o := in.Options
	out := ec2types.Instance{
		InstanceId: &in.ID, ImageId: &in.Image, InstanceType: &in.Type, State: showState(in.State), StateReason: in.stateReason(),
		StateTransitionReason: new(in.transitionReason()), PublicDnsName: new(""), PrivateDnsName: new(""), KeyName: optional(in.KeyName),
		AmiLaunchIndex: new(int32(in.LaunchIndex)), LaunchTime: &in.Launched, ClientToken: &in.ClientToken, Tags: tagSet(in.Tags),
		Placement:  &ec2types.Placement{AvailabilityZone: &in.Zone, GroupName: new(""), Tenancy: new(tenancy)},
		Monitoring: &ec2types.Monitoring{State: new(in.monitoring())},
		SubnetId:   optional(in.Subnet), VpcId: optional(in.VPC), SecurityGroups: in.groups(),
		NetworkInterfaces: each(in.interfaces, showInstanceInterface),
		Architecture:      &architecture, Hypervisor: new(hypervisor), VirtualizationType: new(virtualization), EnaSupport: new(true),
		RootDeviceType: new(rootDeviceType), RootDeviceName: new(rootDeviceName), EbsOptimized: &o.EBSOptimized,
		BlockDeviceMappings: []ec2types.InstanceBlockDeviceMapping{}, ProductCodes: []ec2types.ProductCode{},
		PlatformDetails: new("Linux/UNIX"), UsageOperation: new("RunInstances"), UsageOperationUpdateTime: &in.Created,
		CpuOptions:            &ec2types.CpuOptions{CoreCount: new(int32(runtime.NumCPU())), ThreadsPerCore: new(int32(1))},
		EnclaveOptions:        &ec2types.EnclaveOptions{Enabled: new(false)},
		HibernationOptions:    &ec2types.HibernationOptions{Configured: new(false)},
		MaintenanceOptions:    &ec2types.InstanceMaintenanceOptions{AutoRecovery: new("default")},
		PrivateDnsNameOptions: &ec2types.PrivateDnsNameOptionsResponse{HostnameType: new(ipName), EnableResourceNameDnsARecord: new(false), EnableResourceNameDnsAAAARecord: new(false)},
		MetadataOptions: &ec2types.InstanceMetadataOptionsResponse{
			State: new("applied"), HttpTokens: new(cmp.Or(o.MetadataTokens, "optional")), HttpEndpoint: new(cmp.Or(o.MetadataEndpoint, "enabled")),
			HttpPutResponseHopLimit: new(cmp.Or(o.MetadataHopLimit, 1)), HttpProtocolIpv6: new(cmp.Or(o.MetadataIPv6, "disabled")),
			InstanceMetadataTags: new(cmp.Or(o.MetadataTags, "disabled")),
		},
	}
	if p := in.primary(); p != nil {
		out.SourceDestCheck, out.PrivateIpAddress, out.PrivateDnsName = &p.SourceDestCheck, optional(p.primary()), new(p.privateDNSName())
		out.Placement.AvailabilityZoneId = &p.subnet().ZoneID
		if public := p.public(); public.IsValid() {
			out.PublicIpAddress, out.PublicDnsName = new(public.String()), new(p.publicDNSName(public))
		}
		if len(p.IPv6) > 0 {
			out.Ipv6Address = new(p.IPv6[0].String())
		}
	}
	return out
}

// showReservation returns instances of one reservation; there is at least one.
func showReservation(instances []*inst) ec2types.Reservation {
	first := instances[0]
	return ec2types.Reservation{
		ReservationId: &first.Reservation, OwnerId: &first.Account, Groups: []ec2types.GroupIdentifier{},
		Instances: each(instances, showInstance),
	}
}
