/** States that can be gone back to. What a drag passes through counts as one step. */
export class History {
  constructor(state) {
    this.clear(state);
  }

  clear(state) {
    this.past = [];
    this.future = [];
    this.present = state;
  }

  /** Go on to a new state; with the same `gesture` as last time it takes the last one's place. */
  push(state, gesture = null) {
    if (gesture === null || gesture !== this.gesture) this.past.push(this.present);
    this.gesture = gesture;
    this.present = state;
    this.future = [];
  }

  /** The next change is a step of its own, whatever its gesture. */
  settle() {
    this.gesture = null;
  }

  undo() {
    if (!this.past.length) return false;
    this.future.push(this.present);
    this.present = this.past.pop();
    this.settle();
    return true;
  }

  redo() {
    if (!this.future.length) return false;
    this.past.push(this.present);
    this.present = this.future.pop();
    this.settle();
    return true;
  }
}
