{{/* What no schema can say: each message names the value and what to do. */}}
{{- define "flowlake.validate" -}}
{{- $v := .Values -}}
{{- $secrets := $v.secretSettings -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" (include "flowlake.name" .)) -}}
{{- fail (printf "nameOverride: %q cannot be the name of a Service: give one of a-z, 0-9 and -, that begins with a letter" (include "flowlake.name" .)) -}}
{{- end -}}
{{- if not $v.image.repository -}}
{{- fail "image.repository: build infra/Dockerfile, push it, and say where to" -}}
{{- end -}}
{{- if not $v.secretSettings.catalog -}}
{{- fail "secretSettings.catalog: pods share no directory, so the lake needs a catalog that all of them reach (Glue, REST, Postgres): kubectl create secret generic flowlake --from-literal=catalog='{\"type\": \"glue\"}', then secretSettings.catalog={name: flowlake, key: catalog}" -}}
{{- end -}}
{{- if not (or $v.settings.warehouse $v.settings.evidence) -}}
{{- fail "settings.warehouse: say where data files go, such as s3://bucket/prefix; where the catalog itself places tables (S3 Tables), settings.evidence instead" -}}
{{- end -}}
{{- if and $v.jobs.ingest.enabled (not (or $v.sources $v.queueUrl)) -}}
{{- fail "sources, queueUrl: nothing to read: give sources=[s3://bucket/AWSLogs], a queueUrl, or both, or set jobs.ingest.enabled=false" -}}
{{- end -}}
{{- $days := has "--days" $v.jobs.retain.args -}}
{{- range $v.jobs.retain.args -}}
{{- if hasPrefix "--days=" . -}}{{- $days = true -}}{{- end -}}
{{- end -}}
{{- if and $v.jobs.retain.enabled $days $v.settings.retain_days -}}
{{- fail "jobs.retain.args: its --days is for all tables, whatever settings.retain_days says: set jobs.retain.args=[], or leave settings.retain_days out" -}}
{{- end -}}
{{- if and $v.jobs.retain.enabled (not $days) (not $v.settings.retain_days) -}}
{{- fail "settings.retain_days: say how many days each table is kept, such as {flows: 30}, or give jobs.retain.args=[--days, \"400\"]" -}}
{{- end -}}
{{- if and (eq ($v.settings.rollup_addresses | default "full") "hashed") (not $secrets.address_key) -}}
{{- fail "secretSettings.address_key: addresses are hashed with it; settings.rollup_addresses=cut needs none" -}}
{{- end -}}
{{- if and $v.jobs.listing.enabled (not $v.sources) -}}
{{- fail "sources: the daily listing finds what no event told of: give sources=[s3://bucket/AWSLogs], or set jobs.listing.enabled=false" -}}
{{- end -}}
{{- if and $v.watcher.enabled (not $v.cluster) -}}
{{- fail "cluster: name the cluster whose pods are watched, or set watcher.enabled=false" -}}
{{- end -}}
{{- if $v.api.enabled -}}
{{- include "flowlake.validateApi" . -}}
{{- end -}}
{{- end -}}

{{- define "flowlake.validateApi" -}}
{{- $v := .Values -}}
{{- $secrets := $v.secretSettings -}}
{{- if not (or $secrets.keys (and $v.settings.oidc_issuer $v.settings.oidc_audience)) -}}
{{- fail "secretSettings.keys: the API serves nobody that it cannot tell: give the database of API keys (secretSettings.keys and secretSettings.key_pepper), or settings.oidc_issuer and settings.oidc_audience, or set api.enabled=false" -}}
{{- end -}}
{{- if and $secrets.keys (not $secrets.key_pepper) -}}
{{- fail "secretSettings.key_pepper: keys in a database of their own need a pepper that every server has" -}}
{{- end -}}
{{- if and (gt (int $v.api.replicas) 1) (not $secrets.cursor_key) -}}
{{- fail "secretSettings.cursor_key: the next page may come from another replica: give one key for all of them, or set api.replicas=1" -}}
{{- end -}}
{{- if or (not $v.settings.host) (has $v.settings.host (list "127.0.0.1" "localhost" "::1")) -}}
{{- fail "settings.host: in a pod the API must listen beyond loopback, on 0.0.0.0 or ::" -}}
{{- end -}}
{{- if not (int ($v.settings.port | default 0)) -}}
{{- fail "settings.port: the Service must know it: give one other than 0" -}}
{{- end -}}
{{- end -}}
