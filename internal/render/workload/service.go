// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package workload

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/plan"
)

// servicePort is where clients reach the model, in KAITO as here.
const servicePort = 80

func services(p plan.Plan) []*corev1.Service {
	var all []*corev1.Service
	if p.Port != 0 {
		all = append(all, clientService(p))
	}
	if p.Topology.MultiNode() {
		all = append(all, headlessService(p))
	}
	return all
}

// clientService sends clients to pods that are Ready; unlike KAITO's it leaves out those that still load.
func clientService(p plan.Plan) *corev1.Service {
	// Of a model over several nodes only the leader of each replica serves HTTP; pods of a Deployment all carry index 0.
	selector := map[string]string{v1beta1.LabelWorkspace: p.Name, v1beta1.LabelPodIndex: "0"}
	kind := corev1.ServiceTypeClusterIP
	if p.LoadBalancer {
		kind = corev1.ServiceTypeLoadBalancer
	}
	return service(p, p.Names.Service, corev1.ServiceSpec{
		Type:     kind,
		Selector: selector,
		Ports: []corev1.ServicePort{{
			Name: portName, Port: servicePort, TargetPort: intstr.FromInt32(p.Port), Protocol: corev1.ProtocolTCP,
		}},
	})
}

// headlessService gives each pod of the StatefulSets a name, also before it is Ready: it becomes so only after it has
// found the others.
func headlessService(p plan.Plan) *corev1.Service {
	return service(p, p.Names.Headless, corev1.ServiceSpec{
		Type:                     corev1.ServiceTypeClusterIP,
		ClusterIP:                corev1.ClusterIPNone,
		Selector:                 map[string]string{v1beta1.LabelWorkspace: p.Name},
		PublishNotReadyAddresses: true,
	})
}

func service(p plan.Plan, name string, spec corev1.ServiceSpec) *corev1.Service {
	return &corev1.Service{
		TypeMeta:   metav1.TypeMeta{APIVersion: corev1.SchemeGroupVersion.String(), Kind: "Service"},
		ObjectMeta: objectMeta(p, name),
		Spec:       spec,
	}
}
