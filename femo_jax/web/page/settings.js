// A form for the settings, made from their schema; the server checks the values.

const TITLES = { detector: "Detector", search: "Search between full scans", track: "Tracks and smoothing" };

export class SettingsForm {
  constructor(details, form) {
    this.details = details;
    this.form = form;
    this.fields = form.querySelector("#settings-fields");
    this.message = form.querySelector("#settings-message");
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.apply();
    });
    form.querySelector("#settings-reset").addEventListener("click", () => this.load());
  }

  async load() {
    const answer = await fetch("v1/settings");
    if (!answer.ok) return;
    const { values, schema } = await answer.json();
    this.fields.replaceChildren();
    for (const [group, kinds] of Object.entries(schema.properties)) {
      const set = document.createElement("fieldset");
      const legend = document.createElement("legend");
      legend.textContent = TITLES[group] ?? group;
      set.append(legend);
      for (const [name, kind] of Object.entries(kinds.properties)) set.append(this.field(group, name, kind, values[group][name]));
      this.fields.append(set);
    }
    this.say("", false);
    this.details.hidden = false;
  }

  field(group, name, kind, value) {
    const field = document.createElement("div");
    field.className = "field";
    const input = document.createElement("input");
    input.id = `${group}-${name}`;
    Object.assign(input.dataset, { group, name, kind: kind.type });
    if (kind.type === "boolean") {
      input.type = "checkbox";
      input.checked = value;
    } else {
      input.type = "number";
      input.step = kind.type === "integer" ? "1" : "any";
      input.value = value;
    }
    const label = document.createElement("label");
    label.htmlFor = input.id;
    label.textContent = name.replaceAll("_", " ");
    const help = document.createElement("small");
    help.id = `${input.id}-help`;
    help.textContent = kind.description;
    input.setAttribute("aria-describedby", help.id);
    field.append(label, input, help);
    return field;
  }

  async apply() {
    const changes = {};
    const inputs = [...this.fields.querySelectorAll("input")];
    for (const input of inputs) {
      const { group, name, kind } = input.dataset;
      const value = kind === "boolean" ? input.checked : input.value === "" ? null : Number(input.value);
      (changes[group] ??= {})[name] = value;
      input.removeAttribute("aria-invalid");
    }
    try {
      const answer = await fetch("v1/settings", {
        method: "PUT",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(changes),
      });
      if (answer.ok) return this.say("Applied.", false);
      const { error } = await answer.json();
      inputs.find((input) => error.startsWith(`${input.dataset.name} `))?.setAttribute("aria-invalid", "true");
      this.say(error, true);
    } catch {
      this.say("The server cannot be reached.", true);
    }
  }

  say(text, wrong) {
    this.message.textContent = text;
    this.message.classList.toggle("wrong", wrong);
  }
}
