// What the server can be asked for. A picture that it has dropped is sent again, once.

export class Api {
  /** Send a file; everything else is about it from then on. */
  async open(file) {
    this.file = file;
    const answer = await post(`/api/pictures?name=${encodeURIComponent(file.name)}`, file);
    const { id, looks } = await answer.json();
    this.token = id;
    this.looks = looks;
  }

  async methods() {
    return (await checked(await fetch("/api/methods"))).json();
  }

  async prepare(method) {
    return (await this.about(method, "")).json();
  }

  async shownInput(method) {
    return (await this.about(method, "/input")).blob();
  }

  async preview(method, asked) {
    return (await this.about(method, "/preview", asked)).blob();
  }

  async suggestions(method, asked, x, y) {
    return (await this.about(method, `/suggestions?x=${x}&y=${y}`, asked)).json();
  }

  async picture(method, asked) {
    return (await this.about(method, "/picture", asked)).blob();
  }

  async hints(method, asked) {
    return (await this.about(method, "/hints", asked)).blob();
  }

  async palette(file) {
    return (await post(`/api/palette?name=${encodeURIComponent(file.name)}`, file)).json();
  }

  async readHints(file) {
    return (await post(`/api/hints?name=${encodeURIComponent(file.name)}`, file)).json();
  }

  async about(method, what, asked) {
    const ask = () => {
      const place = `/api/pictures/${this.token}/${method}${what}`;
      if (asked === undefined) return fetch(place);
      const headers = { "Content-Type": "application/json" };
      return fetch(place, { method: "POST", body: JSON.stringify(asked), headers });
    };
    let answer = await ask();
    if (answer.status === 404) {
      await this.open(this.file);
      answer = await ask();
    }
    return checked(answer);
  }
}

async function post(place, body) {
  return checked(await fetch(place, { method: "POST", body }));
}

async function checked(answer) {
  if (answer.ok) return answer;
  let text = `the server answered ${answer.status}`;
  try {
    text = (await answer.json()).error ?? text;
  } catch {
    // no JSON: the status says it
  }
  throw new Error(text);
}
