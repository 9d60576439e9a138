// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	configv1alpha1 "github.com/workspace-operator/workspace-operator/api/config/v1alpha1"
	"github.com/workspace-operator/workspace-operator/api/v1beta1"
)

// sender asks a URL without end, each time by a connection of its own, and prints a line about each answer.
const sender = `
while :; do
  if curl --fail --silent --show-error --max-time 20 --output /dev/null \
    --header "Content-Type: application/json" --data "$2" "$1" 2>/tmp/why; then
    echo ok
  else
    echo "failed: $(cat /tmp/why)"
  fi
  sleep 0.1
done`

// traffic is a pod that sends requests to a Workspace's Service for as long as a test wants.
type traffic struct {
	scene *scene
	pod   string
}

// send starts the requests, by the endpoint that the Workspace tells, and waits until they are answered.
func (s *scene) send(ws *v1beta1.Workspace) *traffic {
	s.t.Helper()
	body, err := json.Marshal(chatRequest(ws.Status.Models[0]))
	s.Expect(err).NotTo(gomega.HaveOccurred())
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "client-"},
		Spec: corev1.PodSpec{
			// It has no init that would pass a signal on.
			TerminationGracePeriodSeconds: new(int64(0)),
			RestartPolicy:                 corev1.RestartPolicyNever,
			Containers: []corev1.Container{{
				Name: "client", Image: modelImage(), ImagePullPolicy: corev1.PullIfNotPresent,
				Command: []string{"/bin/sh", "-c", sender, "sender", ws.Status.Endpoint + "/v1/chat/completions", string(body)},
			}},
		},
	}
	s.create(pod)
	f := &traffic{scene: s, pod: pod.Name}
	f.more(10)
	return f
}

// modelImage is the model server's: it has a shell and a client.
func modelImage() string {
	config := configv1alpha1.Configuration{}
	configv1alpha1.Default(&config)
	return config.ModelServer.Image + ":" + config.ModelServer.Version
}

// more waits until so many requests more are answered, and fails the test if one ever was not.
func (f *traffic) more(count int) {
	f.scene.t.Helper()
	target := -1
	f.scene.until(func() error {
		answered, failed, err := f.count()
		if err != nil {
			return err
		}
		f.scene.Expect(failed).To(gomega.BeEmpty(), "requests that failed, beside %d that did not", answered)
		if target < 0 {
			target = answered + count
		}
		if answered < target {
			return fmt.Errorf("%d requests are answered, want %d", answered, target)
		}
		return nil
	})
}

// end is more, and says how many it were.
func (f *traffic) end() {
	f.scene.t.Helper()
	f.more(20)
	answered, _, err := f.count()
	f.scene.Expect(err).NotTo(gomega.HaveOccurred())
	f.scene.t.Logf("%d requests, none failed", answered)
	f.scene.Expect(f.scene.Delete(f.scene.ctx, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: f.scene.namespace, Name: f.pod}})).
		To(gomega.Succeed())
}

func (f *traffic) count() (int, []string, error) {
	log, err := f.scene.kube.CoreV1().Pods(f.scene.namespace).GetLogs(f.pod, &corev1.PodLogOptions{Timestamps: true}).DoRaw(f.scene.ctx)
	if err != nil {
		return 0, nil, err
	}
	answered, failed := 0, []string{}
	for line := range strings.Lines(string(log)) {
		if strings.HasSuffix(line, " ok\n") {
			answered++
		} else {
			failed = append(failed, line)
		}
	}
	return answered, failed, nil
}
