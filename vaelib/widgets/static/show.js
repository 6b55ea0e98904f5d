// A widget in a page without a kernel, where its exported state is its traits as they are. `render`
// is that of the view with which this module is joined.
import { LocalModel } from "./local_model.js";

/** Draw the widget into `el`; returns what removes it again. */
export function show(state, el) {
  return render({ model: new LocalModel(state), el });
}
