// SPDX-License-Identifier: Apache-2.0

package attach_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/containernetworking/cni/libcni"
	"github.com/containernetworking/cni/pkg/types"

	"github.com/hedgeward/hedgeward/attach"
	"github.com/hedgeward/hedgeward/internal/testnet"
)

// gateway is the host's address at pods of a ptp network, from which it speaks to them.
func gateway(p *pod) string { return p.r.block().Masked().Addr().Next().String() + "/32" }

// hostIPv6 is the same of the other family.
func hostIPv6(p *pod) string { return p.r.ipv6.Masked().Addr().Next().String() + "/128" }

// TestPodsOfARuntime follows two containers that the CNI library attaches through the
// reference plugin ptp and ours: groups by arguments, rules that change, a reference
// between groups, an agent that is killed, and the end of both.
func TestPodsOfARuntime(t *testing.T) {
	w := here.world(t, "10.88.1.0/24")
	web, db := w.group("web"), w.group("db")
	r := w.runtime("pods", "ptp", object{"groups": []string{web}})
	host := testnet.Host(t)
	front := r.run("front")
	back := r.run("back", [2]string{"IgnoreUnknown", "1"}, [2]string{"K8S_POD_NAMESPACE", "shop"}, [2]string{"K8S_POD_NAME", "db-0"}, [2]string{"HEDGEWARD_GROUPS", "db"})
	front.serve(80)
	back.serve(5432)

	for p, want := range map[*pod]struct{ group, description string }{
		front: {web, "eth0 of container front, network pods"}, back: {db, "eth0 of pod shop/db-0, network pods"},
	} {
		i := p.eni()
		if i == nil || i.State != attach.Enforced || i.Device != p.device() || !slices.Equal(i.Groups, []string{want.group}) ||
			!slices.Equal(i.Addresses, []string{p.ipv4.String(), p.ipv6.String()}) {
			t.Fatalf("%s is attached as %+v", p.conf.ContainerID, i)
		}
		shown := w.interfaces()
		n := slices.IndexFunc(shown, func(s ec2Interface) bool { return *s.NetworkInterfaceId == i.ENI })
		if n < 0 || *shown[n].Description != want.description {
			t.Errorf("the API shows %+v, want %q", shown, want.description)
		}
		if err := p.check(); err != nil {
			t.Errorf("CHECK %s: %v", p.conf.ContainerID, err)
		}
	}

	front.wants("no rule", host, 80, false)
	w.allow(web, 80, gateway(front))
	w.allow(web, 80, hostIPv6(front))
	front.wants("allowed from the host", host, 80, true)
	front.wants("allowed from the host", back.NS, 80, false)
	back.wants("no rule", front.NS, 5432, false)
	w.allow(db, 5432, web)
	back.wants("allowed from the group of the front", front.NS, 5432, true)
	back.wants("allowed from the group of the front", host, 5432, false)
	w.revoke(db, 5432, web)
	back.wants("revoked", front.NS, 5432, false)
	w.allow(db, 5432, web)

	here.killAgent(t)
	front.wants("without an agent", host, 80, true)
	back.wants("without an agent", host, 5432, false)
	err := front.del()
	if n, said := code(err); n != types.ErrTryAgainLater || !strings.Contains(said, "start hedgeward") {
		t.Errorf("DEL without an agent: code %d, %s", n, said)
	}
	front.wants("still attached", host, 80, true)
	here.reviveAgent(t)
	for range 2 { // runtimes ask again
		if err := front.del(); err != nil {
			t.Errorf("DEL: %v", err)
		}
	}
	front.wants("deleted", host, 80, false)
	if i := front.eni(); i != nil {
		t.Errorf("deleted, it is attached as %+v", i)
	}

	// The container's namespace goes first, as when a machine was restarted.
	back.File.Close()
	gone := *back.conf
	gone.NetNS = ""
	if err := r.cni.DelNetworkList(t.Context(), r.list, &gone); err != nil {
		t.Errorf("DEL without a namespace: %v", err)
	}
	if left := w.interfaces(); len(left) > 0 || back.eni() != nil {
		t.Errorf("left: %+v", left)
	}
}

// TestGroupsComeFromWhereTheRuntimeSays: what is given for one container takes the
// place of what the network has, and the better way that of the worse.
func TestGroupsComeFromWhereTheRuntimeSays(t *testing.T) {
	w := here.world(t, "10.88.2.0/24")
	groups := map[string]string{}
	for _, name := range []string{"network", "args", "structured", "annotated", "capable"} {
		groups[w.group(name)] = name
	}
	r := w.runtime("ways", "bridge", object{
		"groups":       []string{"network"},
		"capabilities": object{"hedgeward.groups": true, "io.kubernetes.cri.pod-annotations": true},
	})
	structured := r.network("1.0.0", "ways", object{"type": "bridge"}, object{"groups": []string{"network"}, "args": object{"cni": object{"hedgeward.groups": []string{"structured"}}}})
	argument := [][2]string{{"IgnoreUnknown", "1"}, {"HEDGEWARD_GROUPS", "args, network"}}
	annotations := map[string]any{"io.kubernetes.cri.pod-annotations": map[string]string{"hedgeward/groups": "annotated", "other": "x"}}
	for _, c := range []struct {
		id   string
		with func(*libcni.RuntimeConf)
		want []string
	}{
		{"none", func(*libcni.RuntimeConf) {}, []string{"network"}},
		{"args", func(c *libcni.RuntimeConf) { c.Args = argument }, []string{"args", "network"}},
		{"structured", func(c *libcni.RuntimeConf) {
			c.Args = argument
			r.list.Plugins[1] = structured.Plugins[1]
		}, []string{"structured"}},
		{"annotated", func(c *libcni.RuntimeConf) { c.Args, c.CapabilityArgs = argument, annotations }, []string{"annotated"}},
		{"capable", func(c *libcni.RuntimeConf) {
			c.CapabilityArgs = map[string]any{"hedgeward.groups": []string{"capable"}, "io.kubernetes.cri.pod-annotations": annotations["io.kubernetes.cri.pod-annotations"]}
		}, []string{"capable"}},
	} {
		ours := r.list.Plugins[1]
		conf := r.space(c.id)
		c.with(conf)
		p := r.add(conf)
		var got []string
		for _, g := range p.eni().Groups {
			got = append(got, groups[g])
		}
		slices.Sort(got)
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: groups %v, want %v", c.id, got, c.want)
		}
		if err := p.del(); err != nil {
			t.Error(err)
		}
		r.list.Plugins[1] = ours
	}
}

// TestGarbageIsCollected: what no runtime knows any more is given back, and what is
// another network's or nobody's container stays.
func TestGarbageIsCollected(t *testing.T) {
	w := here.world(t, "10.88.3.0/24")
	web := w.group("web")
	r := w.runtime("heap", "ptp", object{"groups": []string{web}})
	apart := here.world(t, "10.88.9.0/24")
	elsewhere := apart.runtime("heap2", "bridge", object{})
	host := testnet.Host(t)
	kept, lost, others := r.run("kept"), r.run("lost"), elsewhere.run("others")
	for _, p := range []*pod{kept, lost, others} {
		p.serve(80)
	}
	w.allow(web, 80, "0.0.0.0/0")
	w.allow(web, 80, "::/0")
	apart.allow(others.eni().Groups[0], 80, "0.0.0.0/0")
	apart.allow(others.eni().Groups[0], 80, "::/0")
	lost.wants("before", host, 80, true)
	newer := r.network("1.1.0", "heap", object{}) // the reference plugins of Debian 12 do not collect
	valid := []types.GCAttachment{{ContainerID: "kept", IfName: "eth0"}, {ContainerID: "lost", IfName: "eth1"}}
	collector := libcni.NewCNIConfigWithCacheDir([]string{bin}, t.TempDir(), nil) // of a runtime that has lost its cache
	for range 2 {
		if err := collector.GCNetworkList(t.Context(), newer, &libcni.GCArgs{ValidAttachments: valid}); err != nil {
			t.Fatal(err)
		}
		if kept.eni() == nil || lost.eni() != nil || others.eni() == nil {
			t.Fatalf("attached are %+v", here.attached(t))
		}
	}
	lost.wants("collected", host, 80, false)
	kept.wants("not collected", host, 80, true)
	others.wants("of another network", host, 80, true)
	err := collector.GCNetworkList(t.Context(), newer, nil)
	if n, said := code(unjoined(err)); n != types.ErrInvalidNetworkConfig || kept.eni() == nil {
		t.Errorf("GC without a list: code %d, %s", n, said)
	}
	if err := collector.GCNetworkList(t.Context(), newer, &libcni.GCArgs{}); err != nil || kept.eni() != nil {
		t.Errorf("GC with an empty list: %v", err)
	}
	for _, p := range []*pod{kept, lost, others} {
		if err := p.del(); err != nil {
			t.Errorf("DEL after GC: %v", err)
		}
	}
	if left := w.interfaces(); len(left) > 0 {
		t.Errorf("left: %+v", left)
	}
}

// TestOldNetworksWorkToo uses the oldest version that the plugin speaks.
func TestOldNetworksWorkToo(t *testing.T) {
	w := here.world(t, "10.88.10.0/24")
	r := w.runtime("old", "bridge", object{})
	r.list.CNIVersion = "0.4.0"
	p := r.run("one")
	if i := p.eni(); i == nil || !slices.Equal(i.Addresses, []string{p.ipv4.String(), p.ipv6.String()}) || p.device() != i.Device {
		t.Errorf("attached as %+v, result %+v", i, p.result)
	}
	for _, err := range []error{p.check(), p.del()} {
		if err != nil {
			t.Error(err)
		}
	}
	if len(w.interfaces()) > 0 {
		t.Error("it is left")
	}
}

// TestCheckSeesWhatIsNotAsADDLeftIt changes what ADD left, by hand.
func TestCheckSeesWhatIsNotAsADDLeftIt(t *testing.T) {
	w := here.world(t, "10.88.4.0/24")
	r := w.runtime("checked", "ptp", object{})
	p := r.run("one")
	refuses := func(what string, want uint, text string) {
		t.Helper()
		if n, said := code(p.check()); n != want || !strings.Contains(said, text) {
			t.Errorf("%s: code %d, %s; want %d, …%s…", what, n, said, want, text)
		}
	}
	eni, mac := p.eni().ENI, p.Device(t, "eth0").Attrs().HardwareAddr
	if _, err := r.local().Attach(t.Context(), eni, attach.Request{Device: p.device(), MAC: "02:00:00:00:77:01"}); err != nil {
		t.Fatal(err)
	}
	refuses("another MAC address", 101, "has MAC address 02:00:00:00:77:01, and the container sends with "+mac.String())
	here.killAgent(t)
	refuses("no agent", types.ErrTryAgainLater, "start hedgeward")
	here.reviveAgent(t)
	here.command(t, "detach", "--interface", p.device())
	refuses("detached", 101, "no interface is attached for eth0 of container one")
	here.command(t, "attach", "--interface", p.device(), "--subnet", w.subnet, "--addresses", p.ipv4.String(), "--mac", mac.String())
	refuses("another interface", 101, "no interface is attached for eth0 of container one")
	here.command(t, "detach", "--interface", p.device())
	if err := p.del(); err != nil {
		t.Error(err)
	}
}

// TestStatusSaysWhetherADDCanWork stops the agent, and the server behind it.
func TestStatusSaysWhetherADDCanWork(t *testing.T) {
	w := here.world(t, "10.88.5.0/24")
	r := w.runtime("asked", "ptp", object{})
	newer := r.network("1.1.0", "asked", object{})
	status := func() error { return r.cni.GetStatusNetworkList(t.Context(), newer) }
	if err := status(); err != nil {
		t.Error(err)
	}
	here.killAgent(t)
	if n, said := code(status()); n != types.ErrPluginNotAvailable || !strings.Contains(said, "start hedgeward") {
		t.Errorf("without an agent: code %d, %s", n, said)
	}
	here.reviveAgent(t)
	if err := status(); err != nil {
		t.Error(err)
	}
	wrong := r.network("1.1.0", "asked", object{"subnet": ""})
	if n, said := code(r.cni.GetStatusNetworkList(t.Context(), wrong)); n != types.ErrInvalidNetworkConfig {
		t.Errorf("without a subnet: code %d, %s", n, said)
	}
	version, err := r.cni.GetVersionInfo(t.Context(), "hedgeward-cni")
	if err != nil || !slices.Equal(version.SupportedVersions(), []string{"0.4.0", "1.0.0", "1.1.0"}) {
		t.Errorf("VERSION answers %v, %v", version, err)
	}
}
