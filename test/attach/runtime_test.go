// SPDX-License-Identifier: Apache-2.0

package attach_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os/exec"
	"path/filepath"

	"github.com/containernetworking/cni/libcni"
	"github.com/containernetworking/cni/pkg/types"
	current "github.com/containernetworking/cni/pkg/types/100"

	"github.com/hedgeward/hedgeward/attach"
	"github.com/hedgeward/hedgeward/internal/testnet"
)

// pluginFolder is where Debian's package containernetworking-plugins has the reference
// plugins.
const pluginFolder = "/usr/lib/cni"

// runtime plays a container runtime: the library that containerd and CRI-O run
// plugins with, and a network of theirs.
type runtime struct {
	*world
	cni  *libcni.CNIConfig
	list *libcni.NetworkConfigList
}

// object is a JSON object.
type object = map[string]any

// runtime returns a runtime with a network in which the plugin main makes interfaces
// with addresses of the world's subnet, and ours stands behind it with these members.
func (w *world) runtime(name, main string, ours object) *runtime {
	w.t.Helper()
	block := w.block()
	begin := block.Masked().Addr()
	for range 16 { // the first ones are reserved
		begin = begin.Next()
	}
	first := object{"type": main, "ipam": object{
		"type": "host-local", "dataDir": filepath.Join(w.t.TempDir(), "ipam"), "routes": []object{{"dst": "0.0.0.0/0"}, {"dst": "::/0"}},
		"ranges": [][]object{{{"subnet": block.String(), "rangeStart": begin.String()}}, {{"subnet": w.ipv6.String(), "rangeStart": w.ipv6.Addr().Next().Next().Next().Next().Next().String()}}},
	}}
	if main == "bridge" {
		first["bridge"], first["isGateway"] = "br-"+name, true
	}
	r := &runtime{world: w, cni: libcni.NewCNIConfigWithCacheDir([]string{bin, pluginFolder}, filepath.Join(w.t.TempDir(), "cache"), nil)}
	r.list = r.network("1.0.0", name, first, ours)
	return r
}

// network returns a network of the runtime's with these plugins, of which the last is
// ours.
func (r *runtime) network(version, name string, plugins ...object) *libcni.NetworkConfigList {
	r.t.Helper()
	ours := plugins[len(plugins)-1]
	ours["type"] = "hedgeward-cni"
	for member, value := range (object{"socket": r.socket(), "subnet": r.subnet}) {
		if _, said := ours[member]; !said {
			ours[member] = value
		}
	}
	text, err := json.Marshal(object{"cniVersion": version, "name": name, "plugins": plugins})
	if err != nil {
		r.t.Fatal(err)
	}
	list, err := libcni.ConfListFromBytes(text)
	if err != nil {
		r.t.Fatal(err)
	}
	return list
}

// block is the subnet's IPv4 block.
func (w *world) block() netip.Prefix {
	w.t.Helper()
	out, err := w.api.DescribeSubnets(w.t.Context(), subnetsOf(w.subnet))
	if err != nil {
		w.t.Fatal(err)
	}
	return netip.MustParsePrefix(*out.Subnets[0].CidrBlock)
}

// pod is a container, with the parameters of its attachment.
type pod struct {
	*testnet.NS
	r      *runtime
	conf   *libcni.RuntimeConf
	result *current.Result
	ipv4   netip.Addr
	ipv6   netip.Addr
}

// space makes a namespace for a container and returns the parameters of its
// attachment.
func (r *runtime) space(id string, args ...[2]string) *libcni.RuntimeConf {
	r.t.Helper()
	name := "pod-" + id
	if out, err := exec.Command("ip", "netns", "add", name).CombinedOutput(); err != nil {
		r.t.Fatalf("make namespace %s: %v: %s", name, err, out)
	}
	r.t.Cleanup(func() { exec.Command("ip", "netns", "del", name).Run() })
	return &libcni.RuntimeConf{ContainerID: id, NetNS: "/run/netns/" + name, IfName: "eth0", Args: args}
}

// run makes a container and attaches it, as a runtime does before it starts it.
func (r *runtime) run(id string, args ...[2]string) *pod {
	r.t.Helper()
	return r.add(r.space(id, args...))
}

func (r *runtime) add(conf *libcni.RuntimeConf) *pod {
	r.t.Helper()
	said, err := r.cni.AddNetworkList(r.t.Context(), r.list, conf)
	if err != nil {
		r.t.Fatalf("ADD %s: %v", conf.ContainerID, err)
	}
	p := &pod{NS: testnet.Named(r.t, filepath.Base(conf.NetNS)), r: r, conf: conf}
	if p.result, err = current.NewResultFromResult(said); err != nil {
		r.t.Fatal(err)
	}
	for _, ip := range p.result.IPs {
		if a, _ := netip.AddrFromSlice(ip.Address.IP); a.Is4() || a.Is4In6() {
			p.ipv4 = a.Unmap()
		} else {
			p.ipv6 = a
		}
	}
	return p
}

// del detaches a container, as a runtime does when it has ended.
func (p *pod) del() error { return p.r.cni.DelNetworkList(context.Background(), p.r.list, p.conf) }

func (p *pod) check() error { return p.r.cni.CheckNetworkList(p.r.t.Context(), p.r.list, p.conf) }

// eni returns what the container's interface is attached as, nil for nothing.
func (p *pod) eni() *attach.Interface {
	p.r.t.Helper()
	all := p.r.attached(p.r.t)
	for n := range all {
		if all[n].For == "cni/"+p.r.list.Name+"/"+p.conf.ContainerID+"/"+p.conf.IfName {
			return &all[n]
		}
	}
	return nil
}

// device is the host's end of the container's interface, which ADD answers.
func (p *pod) device() string {
	p.r.t.Helper()
	for _, i := range p.result.Interfaces {
		if i.Sandbox == "" && len(i.Name) > 4 && i.Name[:4] == "veth" {
			return i.Name
		}
	}
	p.r.t.Fatalf("the result names no device of the host: %+v", p.result)
	return ""
}

// serve answers at a port of the container's, of both families.
func (p *pod) serve(port uint16) {
	p.r.t.Helper()
	for _, a := range []netip.Addr{p.ipv4, p.ipv6} {
		p.ServeTCP(p.r.t, netip.AddrPortFrom(a, port).String())
	}
}

// wants expects a port of the container to be open or closed, by both families.
func (p *pod) wants(when string, from *testnet.NS, port uint16, open bool) {
	p.r.t.Helper()
	for _, a := range []netip.Addr{p.ipv4, p.ipv6} {
		if err := from.TCP(netip.AddrPortFrom(a, port), within(open)); (err == nil) != open {
			p.r.t.Errorf("%s: port %d of %s at %s: %v, want it open %v", when, port, p.conf.ContainerID, a, err, open)
		}
	}
}

// code returns the code of an error of the CNI specification, and all that it says.
func code(err error) (uint, string) {
	for e := err; e != nil; {
		if of, ok := e.(*types.Error); ok {
			return of.Code, fmt.Sprint(err)
		}
		next, ok := e.(interface{ Unwrap() error })
		if !ok {
			break
		}
		e = next.Unwrap()
	}
	return 0, fmt.Sprint(err)
}
