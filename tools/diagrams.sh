#!/usr/bin/env bash
# Renders docs/diagrams/*.mmd as SVG, which the pages show: a browser needs no script from another server for them.
# Needs npx (Node.js) and chromium. Run it after a change of a diagram and commit both files.
set -euo pipefail
cd "$(dirname "$0")/../docs/diagrams"

browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome)
settings=$(mktemp --suffix .json)
trap 'rm -f "$settings"' EXIT
printf '{"executablePath": "%s", "args": ["--no-sandbox"]}' "$browser" > "$settings"

for source in *.mmd; do
  PUPPETEER_SKIP_DOWNLOAD=1 npx --yes @mermaid-js/mermaid-cli@11 --quiet --puppeteerConfigFile "$settings" \
      --configFile style.json --backgroundColor white --input "$source" --output "${source%.mmd}.svg"
done
